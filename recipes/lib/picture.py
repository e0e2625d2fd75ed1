"""How recipes draw: colors that all can tell apart, points, lines and bars."""

import numpy as np

# Okabe and Ito's, which those who are blind to a color can tell apart.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"]
STYLES = ["-", "--", "-.", ":"]
MARKS = "os^Dv"


def looks(names):
    """Yield each name with a color, a line and a mark of its own, as options."""
    for i, name in enumerate(names):
        style, mark = STYLES[i % len(STYLES)], MARKS[i % len(MARKS)]
        yield name, {"color": COLORS[i % len(COLORS)], "ls": style, "marker": mark}


def points(axes, found, color=COLORS[0]):
    """Draw a row for each name: a point for each of its values, a bar for the median.

    Args:
        axes: Axes of matplotlib.
        found: Dict, lists of numbers by name.
        color: String, color of the points. Defaults to blue.
    """
    for name, values in found.items():
        axes.plot(values, [name] * len(values), "o", color=color, alpha=0.5)
        axes.plot(np.median(values), [name], "|", color="black", ms=16)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.grid(alpha=0.3)


def medians(axes, found, label, color, mark):
    """Draw values over numbers: a point for each, and a line through the medians.

    Args:
        axes: Axes of matplotlib.
        found: Dict, lists of values by number.
        label: String, what the line is called.
        color: String, its color.
        mark: String, the mark of its points.
    """
    middle = [np.median(values) for values in found.values()]
    axes.plot(list(found), middle, mark + "-", color=color, label=label)
    for number, values in found.items():
        axes.plot([number] * len(values), values, mark, color=color, alpha=0.4)
    axes.grid(alpha=0.3)


def curves(axes, found):
    """Draw curves by epoch: a thin line for each training, a thick one of medians.

    Args:
        axes: Axes of matplotlib.
        found: Dict, by name the curves of all trainings, lists of one length.
    """
    for name, look in looks(found):
        epochs = np.arange(len(found[name][0])) + 1
        color, every = look["color"], -(-len(epochs) // 12)
        axes.plot(epochs, np.transpose(found[name]), color=color, alpha=0.3, lw=1)
        middle = np.median(found[name], axis=0)
        axes.plot(epochs, middle, **look, label=name, lw=2, ms=5, markevery=every)
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.3)
