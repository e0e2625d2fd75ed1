"""Losses of two weights as formulas, to see what an optimizer does on them.

Each has its minimum, near 0, at the origin: a narrow valley, a slope whose steep part
ends, a plateau around a hole, and a bowl with a bump in it, that is, a local minimum.
"""

import numpy as np


def landscapes(x, y):
    """Return the loss on each landscape, and its slopes along x and y."""
    root, over = np.sqrt(1 + x * x), np.logaddexp(0, 5 * (x - 4))
    steep = 10 + 10 * np.tanh(2.5 * (x - 4))
    hole = np.exp(-(x * x + y * y) / 2)
    bump, bowl = 0.3 * np.exp(-12.5 * (x - 2) ** 2), x * x / 10 + y * y / 2
    return {
        "valley": ((x * x + 50 * y * y) / 2, x, 50 * y),
        "end of slope": ((root - 1 + y * y) / 2 + 4 * over, x / root / 2 + steep, y),
        "plateau": (1 - hole, x * hole, y * hole),
        "local minimum": (bowl + bump, x / 5 - 25 * (x - 2) * bump, y),
    }


def gradient(points):
    """Return the gradient of the first landscape at the first point, and so on."""
    found = landscapes(*points.T).values()
    return np.array([[x[i], y[i]] for i, (_, x, y) in enumerate(found)], "float32")


def contours(axes, landscape):
    """Draw the loss behind what is drawn already, and a cross at the minimum."""
    axes.plot(0, 0, "k+", ms=12)
    axes.margins(0.1)
    ends = np.transpose([axes.get_xlim(), axes.get_ylim()])
    x, y = np.meshgrid(*np.linspace(*ends, 200).T)
    loss = landscapes(x, y)[landscape][0]
    levels = np.quantile(loss, np.linspace(0.02, 0.98, 14))
    axes.contour(x, y, loss, levels, colors="0.75", linewidths=0.8, zorder=0)
