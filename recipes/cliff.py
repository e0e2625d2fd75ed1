"""Clipping keeps gradient descent on a recurrent network from jumping off a cliff.

Claim: the loss of a recurrent network with one unit has a wall, where the state the
network settles at changes. The gradient on the wall is so large that one step of
gradient descent lands far away, on flat ground. With the norm of the gradient clipped
to 0.3, the same descent stays near the wall and comes down beside it.

What to expect: there are no data; the network itself makes the wall. It is x(t) =
w sigmoid(x(t-1)) + b from x(0) = 0.5, with the loss (sigmoid(x(50)) - 0.7)^2. Of 200
descents of 400 steps that start beside the wall, 78 % to 84 % make a step longer than
1, some longer than 1000, and 37 % to 44 % end with a loss below 0.001. With clipping no
step is that long, and 91 % to 96 % end there. They still hop across the wall.

Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
networks", 2013, https://arxiv.org/abs/1211.5063, section 2.3 and figure 6.

    python recipes/cliff.py
"""

import numpy as np
from keras import ops
from lib.picture import looks
from lib.run import Recipe, chosen, one, rows_by
from matplotlib.colors import LogNorm

from kcomponents.clipping import unitwise_norm

THRESHOLDS = {"plain": np.inf, "clipped": 0.3}
CLAIM = "With clipping no descent jumps, and at least twice as many succeed"


def sigmoid(x):
    """Return the logistic function, in a form that does not overflow."""
    return 0.5 + 0.5 * np.tanh(x / 2)


def loss_and_gradient(points, steps=50):
    """Return the loss at points `(n, 2)` of w and b, and its gradient, `(n, 2)`."""
    w, b = points.T
    by_w, by_b, out = np.zeros(len(w)), np.zeros(len(w)), sigmoid(np.full(len(w), 0.5))
    for _ in range(steps):
        slope = w * out * (1 - out)
        by_w, by_b, out = out + slope * by_w, 1 + slope * by_b, sigmoid(w * out + b)
    outer = 2 * (out - 0.7) * out * (1 - out)
    return (out - 0.7) ** 2, np.stack([outer * by_w, outer * by_b], axis=1)


def descend(points, steps, threshold, rate=0.5):
    """Return the paths `(steps, n, 2)` of n descents and their losses, `(steps, n)`."""
    found = []
    for _ in range(steps):
        loss, gradient = loss_and_gradient(points)
        found.append((points, loss))
        norm = ops.convert_to_numpy(unitwise_norm(gradient, axis=1))
        shorter = np.minimum(1, threshold / np.maximum(norm, 1e-30))
        points = points - rate * gradient * shorter
    return [np.array(part) for part in zip(*found, strict=True)]


def measure(args, seed):
    """Descend from the same starts with and without clipping."""
    count, steps = (20, 50) if args.quick else (200, 401)
    starts = np.random.default_rng(seed).uniform((5, -2.6), (7, -2), (count, 2))
    runs = [descend(starts, steps, threshold) for threshold in THRESHOLDS.values()]
    longest = [np.linalg.norm(np.diff(p, axis=0), axis=2).max(axis=0) for p, _ in runs]
    # Draw the smallest jump that the descent does not recover from: it fits the axes.
    lost = (longest[0] > 1) & (runs[0][1][-1] > 1e-3)
    shown = np.argmin(np.where(lost, longest[0], np.inf))
    for kind, (paths, losses), step in zip(THRESHOLDS, runs, longest, strict=True):
        yield {
            "descent": kind,
            "solved": float(np.mean(losses[-1] < 1e-3)),
            "jumped": float(np.mean(step > 1)),
            "longest_step": round(float(step.max()), 6),
            "path": paths[:, shown].tolist(),
            "losses": losses[:, shown].tolist(),
        }


def rows(results):
    """Return a row for each kind of descent."""
    forms = {"solved": "{:.0%}", "jumped": "{:.0%}", "longest_step": "{:.3g}"}
    return rows_by(results, "descent", {key: (key, forms[key]) for key in forms})


def effect(results):
    """Return whether clipping prevents the jumps and solves twice as many."""
    plain, clipped = (one(results, descent=kind) for kind in THRESHOLDS)
    return clipped["jumped"] == 0 and clipped["solved"] >= 2 * plain["solved"] > 0


def picture(results, figure):
    """Draw the loss surface with one path of each kind, and the losses by step."""
    surface, by_step = figure.subplots(1, 2, width_ratios=[1.2, 1])
    found = chosen(results, seed=results[0]["seed"])
    ends = np.vstack([result["path"] for result in found])
    w, b = np.meshgrid(*np.linspace(ends.min(0) - 0.3, ends.max(0) + 0.3, 400).T)
    loss = loss_and_gradient(np.stack([w.ravel(), b.ravel()], axis=1))[0]
    shade = {"norm": LogNorm(1e-3, 0.5), "cmap": "Grays", "alpha": 0.5}
    drawn = surface.pcolormesh(w, b, loss.reshape(w.shape), **shade)
    figure.colorbar(drawn, label="loss", extend="min")
    for kind, look in looks(["clipped", "plain"]):
        path, losses = (one(found, descent=kind)[key] for key in ("path", "losses"))
        surface.plot(*np.transpose(path), **look, lw=1, ms=3)
        by_step.semilogy(losses, **look, lw=1, ms=3, markevery=9, label=kind)
    surface.set(xlabel="weight w", ylabel="bias b")
    surface.set_title("The wall is the edge of the dark region", size="medium")
    by_step.set(xlabel="step", ylabel="loss of the descent drawn", ylim=(1e-5, 3))
    by_step.legend(loc="upper right", ncols=2)


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, data=None)
main = RECIPE.main


if __name__ == "__main__":
    main()
