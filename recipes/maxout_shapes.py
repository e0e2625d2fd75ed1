"""A Maxout unit learns its activation: the more pieces, the closer to a convex curve.

Claim: the largest of a few straight lines is a convex function, and any is within reach
of enough lines. ReLU and |x| are Maxout units of two pieces, exactly. Only the piece
that wins at an input is trained by it: the others do not move at all.

What to expect: the targets are formulas, x^2 and the largest of four lines on [-1, 1].
One Maxout layer holds groups of 2, 3, 4 and 5 pieces, 128 of each for each target,
which learn on their own from random starts. The best of them are as close as so many
lines can be: for x^2 off by 0.075, 0.033, 0.019 and 0.012 (root of the mean square; the
least there is, 0.298 / pieces^2, is hardly below). The mean of all falls as well, from
0.17 to 0.047, but it takes many units to see that: with 32 it fell with each piece in 3
of 5 seeds. For a piece that never wins is never trained; of five, three win in the end.

Source: Goodfellow et al., "Maxout networks", 2013, https://arxiv.org/abs/1302.4389,
figure 1 and section 4.

    python recipes/maxout_shapes.py
"""

import keras
import numpy as np
from recipe_run import COLORS, STEPS, Recipe, run
from recipe_table import by, chosen, one, spread

from kcomponents.layers import Maxout, MaxoutDense

PIECES = [2, 3, 4, 5]
UNITS = 128
TARGETS = {"x^2": np.square}
TARGETS["four lines"] = lambda x: np.max([-2 * x - 1, -x / 2, x / 4, 2 * x - 1.2], 0)
BY_HAND = {"ReLU": ([[1, 0]], lambda x: np.maximum(x, 0)), "|x|": ([[1, -1]], np.abs)}
CLAIM = "ReLU and |x| exact, losers unmoved, each piece lowers the error"


def off_by_hand(kernel, function):
    """Return how far a unit of two pieces with given weights is off a function."""
    x = np.random.default_rng(0).normal(size=(1000, 1)).astype("float32")
    layer = MaxoutDense(1, num_pieces=2)
    layer.build(x.shape)
    layer.set_weights([np.array(kernel, "float32"), np.zeros(2, "float32")])
    return float(np.abs(keras.ops.convert_to_numpy(layer(x)) - function(x)).max())


def net(optimizer, steps):
    """Return a compiled layer of groups of 2 to 5 pieces, 128 of each for a target."""
    sizes = np.repeat(PIECES * len(TARGETS), UNITS).tolist()
    # One initializer for both would give each line the intercept of its slope.
    slope, intercept = (keras.initializers.RandomUniform(-1, 1) for _ in range(2))
    lines = keras.layers.Dense(sum(sizes), None, True, slope, intercept)
    model = keras.Sequential([keras.Input((1,)), lines, Maxout(group_sizes=sizes)])
    model.compile(optimizer, "mse", steps_per_execution=steps)
    return model


def targets(x):
    """Return for inputs `(n, 1)` what each unit should give, `(n, units)`."""
    columns = [np.repeat(f(x), len(PIECES) * UNITS, 1) for f in TARGETS.values()]
    return np.concatenate(columns, 1).astype("float32")


def groups(model):
    """Yield slopes and intercepts of the units of each target and number of pieces."""
    weights = np.vstack(model.get_weights())
    for target in TARGETS:
        for pieces in PIECES:
            block, weights = np.split(weights, [pieces * UNITS], axis=1)
            yield target, pieces, block.reshape(2, UNITS, pieces)


def changes(x):
    """Return by how much one step at one input moves losers and winners at most."""
    model = net(keras.optimizers.SGD(1.0), 1)
    before = list(groups(model))
    model.fit(x, targets(x) + 3, verbose=0)  # beyond what any unit gives at first
    moved = {}
    for (_, pieces, old), (_, _, new) in zip(before, groups(model), strict=True):
        wins = old[0] * x[0, 0] + old[1]
        wins = wins == wins.max(axis=1, keepdims=True)
        change = np.abs(new - old).max(axis=0)
        moved[pieces] = float(change[~wins].max()), float(change[wins].min())
    return moved


def measure(args, seed):
    """Set weights by hand, take one step, and learn the targets."""
    for name, (kernel, function) in BY_HAND.items():
        yield {"target": name, "pieces": 2, "error": off_by_hand(kernel, function)}
    for pieces, (loser, winner) in changes(np.full((1, 1), 0.3, "float32")).items():
        moved = {"loser_moved": loser, "winner_moved": winner}
        yield {"target": "one step", "pieces": pieces, **moved}
    epochs, count = (1, 640) if args.quick else (20, 2560)
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 1)).astype("float32")
    rate = keras.optimizers.schedules.CosineDecay(0.03, epochs * count // 32)
    model = net(keras.optimizers.Adam(rate), STEPS)
    model.fit(x, targets(x), batch_size=32, epochs=epochs, verbose=0)
    grid = np.linspace(-1, 1, 1001)[:, None, None]
    for target, pieces, (slopes, biases) in groups(model):
        lines = grid * slopes + biases
        off = lines.max(axis=2) - TARGETS[target](grid[:, :, 0])
        errors = np.sqrt(np.mean(off**2, axis=0))
        used = [len(np.unique(winners)) for winners in lines.argmax(axis=2).T]
        best = errors.argmin()
        yield {
            "target": target,
            "pieces": pieces,
            "error": float(errors.mean()),
            "least_error": float(errors.min()),
            "pieces_that_win": float(np.mean(used)),
            "slopes": slopes[best].tolist(),
            "biases": biases[best].tolist(),
        }


def rows(results):
    """Return a row for each figure, over the number of pieces."""
    wanted = [(f"{name} by hand, error", name, "error") for name in BY_HAND]
    wanted += [("move of a loser", "one step", "loser_moved")]
    for name in TARGETS:
        wanted += [(f"{name}, mean error", name, "error")]
        wanted += [(f"{name}, least error", name, "least_error")]
    wanted += [("x^2, pieces that win", "x^2", "pieces_that_win")]
    table = []
    for told, name, key in wanted:
        found = by(chosen(results, target=name), "pieces", key)
        cells = {f"{k} pieces": spread(found[k]) if k in found else "" for k in PIECES}
        table.append({"": told} | cells)
    return table


def effect(results):
    """Return whether what is exact is, and the mean error falls with each piece."""
    exact = all(one(results, target=name)["error"] == 0 for name in BY_HAND)
    steps = chosen(results, target="one step")
    unmoved = all(r["loser_moved"] == 0 < r["winner_moved"] for r in steps)
    falls = [
        np.diff([r["error"] for r in chosen(results, target=name)]) < 0
        for name in TARGETS
    ]
    return exact and unmoved and bool(np.all(falls))


def picture(results, figure):
    """Draw the best unit of the first seed for each target and number of pieces."""
    first = chosen(results, seed=results[0]["seed"])
    panels = figure.subplots(len(TARGETS), len(PIECES), sharex=True, sharey=True)
    units = [r for r in first if "slopes" in r]
    for axes, unit in zip(panels.flat, units, strict=False):
        x = np.linspace(-1, 1, 201)
        lines = np.outer(x, unit["slopes"]) + unit["biases"]
        axes.plot(x, lines[:, 0], color="0.6", lw=1, label="one of its pieces")
        axes.plot(x, lines[:, 1:], color="0.6", lw=1)
        axes.plot(x, lines.max(axis=1), color=COLORS[1], lw=3, label="the unit")
        axes.plot(x, TARGETS[unit["target"]](x), "--", color=COLORS[0], label="target")
        axes.set_title(
            f"{unit['pieces']} pieces: off {unit['least_error']:.3f}", size=10
        )
        axes.set(ylim=(-0.6, 1.2))
    for axes, target in zip(panels[:, 0], TARGETS, strict=True):
        axes.set_ylabel(target)
    for axes in panels[-1]:
        axes.set_xlabel("input x")
    lines, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=len(names))


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, data=None, size=(9, 5))


def main(argv=None):
    """Run the recipe."""
    return run(RECIPE, __file__, argv)


if __name__ == "__main__":
    main()
