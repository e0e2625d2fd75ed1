"""A Maxout unit learns its activation: the more pieces, the closer to a convex curve.

Claim: the maximum of a few straight lines is a convex function, and enough lines
approximate any convex function. ReLU and |x| are exactly Maxout units of two pieces.
An input trains only the piece that wins there: the others do not move at all.

What to expect: the targets are formulas, x^2 and the maximum of four lines on [-1, 1].
One Maxout layer holds groups of 2, 3, 4 and 5 pieces, 128 of each for each target,
which learn independently from random initial weights. The best of them are as close as
that many lines can be: for x^2 the error is 0.075, 0.033, 0.019 and 0.012 (root mean
square; the smallest possible, 0.298 / pieces^2, is hardly lower). The mean over all
units falls as well, from 0.17 to 0.047, but it takes many units to see that: with 32 it
fell with each piece in 3 of 5 seeds. For a piece that never wins is never trained; of
five pieces, three win in the end.

Source: Goodfellow et al., "Maxout networks", 2013, https://arxiv.org/abs/1302.4389,
figure 1 and section 4.

    python recipes/maxout_shapes.py
"""

import keras
import numpy as np
from lib.data import Shuffled
from lib.nets import STEPS
from lib.picture import COLORS
from lib.run import Recipe, by, chosen, one, spread

from kcomponents.layers import Maxout, MaxoutDense

PIECES, UNITS = [2, 3, 4, 5], 128
TARGETS = {"x^2": np.square}
TARGETS["four lines"] = lambda x: np.max([-2 * x - 1, -x / 2, x / 4, 2 * x - 1.2], 0)
BY_HAND = {"ReLU": ([[1, 0]], lambda x: np.maximum(x, 0)), "|x|": ([[1, -1]], np.abs)}
GROUPS = [(target, pieces) for target in TARGETS for pieces in PIECES]
CLAIM = "ReLU and |x| are exact, losers do not move, each piece lowers the error"


# Below, the lines of units with the same number of pieces are an array of shape
# `(2, units, pieces)`: slopes, then intercepts.


def off_by_hand(kernel, function):
    """Return the largest error of a unit of two pieces with given weights."""
    x = np.random.default_rng(0).normal(size=(1000, 1)).astype("float32")
    layer = MaxoutDense(1, num_pieces=2)
    layer.build(x.shape)
    layer.set_weights([np.array(kernel, "float32"), np.zeros(2, "float32")])
    return float(np.abs(keras.ops.convert_to_numpy(layer(x)) - function(x)).max())


def lines(model, units):
    """Return the lines of each group of units with the same number of pieces.

    Args:
        model: Keras model of one input, a `Dense` and a `Maxout` layer.
        units: Integer, number of units in a group.
    """
    ends = np.cumsum(model.layers[-1].group_sizes)[units - 1 : -1 : units]
    blocks = np.split(np.vstack(model.get_weights()), ends, axis=1)
    return [block.reshape(2, units, -1) for block in blocks]


def moves(old, new, x):
    """Return how far a step at `x` moved the losers, at most, and the winners."""
    height = old[0] * x + old[1]
    wins = height == height.max(axis=1, keepdims=True)
    change = np.abs(new - old).max(axis=0)
    loser, winner = float(change[~wins].max()), float(change[wins].min())
    return {"loser_moved": loser, "winner_moved": winner}


def closeness(units, function):
    """Return the errors of units on [-1, 1], and the lines of the best unit."""
    grid, (slopes, biases) = np.linspace(-1, 1, 1001)[:, None, None], units
    height = grid * slopes + biases
    off = height.max(axis=2) - function(grid[:, :, 0])
    errors = np.sqrt(np.mean(off**2, axis=0))
    used = [len(np.unique(winners)) for winners in height.argmax(axis=2).T]
    best = errors.argmin()
    return {
        "error": float(errors.mean()),
        "least_error": float(errors.min()),
        "pieces_that_win": float(np.mean(used)),
        "slopes": slopes[best].tolist(),
        "biases": biases[best].tolist(),
    }


def net(optimizer, steps):
    """Return a compiled layer with a group of units for each target and size."""
    sizes = np.repeat(PIECES * len(TARGETS), UNITS).tolist()
    # With one initializer for both, each intercept would equal its slope.
    slope, intercept = (keras.initializers.RandomUniform(-1, 1) for _ in range(2))
    dense = keras.layers.Dense(sum(sizes), None, True, slope, intercept)
    model = keras.Sequential([keras.Input((1,)), dense, Maxout(group_sizes=sizes)])
    model.compile(optimizer, "mse", steps_per_execution=steps)
    return model


def learned(model, x, add=0.0, batch_size=1, epochs=1):
    """Train on the targets; return the lines of each group before and after."""
    wanted = [np.repeat(TARGETS[name](x), UNITS, 1) for name, _ in GROUPS]
    before = lines(model, UNITS)
    y = np.concatenate(wanted, 1).astype("float32") + add
    model.fit(Shuffled(x, y, batch_size), epochs=epochs, verbose=0)
    return zip(GROUPS, before, lines(model, UNITS), strict=True)


def measure(args, seed):
    """Set weights by hand, take one step, then learn the targets."""
    for name, (kernel, function) in BY_HAND.items():
        yield {"target": name, "pieces": 2, "error": off_by_hand(kernel, function)}
    x, model = np.full((1, 1), 0.3, "float32"), net(keras.optimizers.SGD(1.0), 1)
    for (_, pieces), old, new in learned(model, x, add=3):  # above all units
        yield {"target": "one step", "pieces": pieces} | moves(old, new, x[0, 0])
    epochs, count = (1, 640) if args.quick else (20, 2560)
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 1)).astype("float32")
    rate = keras.optimizers.schedules.CosineDecay(0.03, epochs * count // 32)
    model = net(keras.optimizers.Adam(rate), STEPS)
    for (target, pieces), _, units in learned(model, x, batch_size=32, epochs=epochs):
        yield {"target": target, "pieces": pieces} | closeness(units, TARGETS[target])


def rows(results):
    """Return a row for each measured value, with a column per number of pieces."""
    errors = {"mean error": "error", "least error": "least_error"}
    wanted = {f"{name} by hand, error": (name, "error") for name in BY_HAND}
    wanted["move of a loser"] = "one step", "loser_moved"
    wanted |= {f"{k}, {name}": (k, errors[name]) for k in TARGETS for name in errors}
    wanted["x^2, pieces that win"] = "x^2", "pieces_that_win"
    table = []
    for title, (name, key) in wanted.items():
        found = by(chosen(results, target=name), "pieces", key)
        cells = {f"{k} pieces": spread(found[k]) if k in found else "" for k in PIECES}
        table.append({"": title} | cells)
    return table


def effect(results):
    """Return whether the exact units are, and the error falls with each piece."""
    exact = all(one(results, target=name)["error"] == 0 for name in BY_HAND)
    steps = chosen(results, target="one step")
    unmoved = all(r["loser_moved"] == 0 < r["winner_moved"] for r in steps)
    errors = [[r["error"] for r in chosen(results, target=k)] for k in TARGETS]
    return exact and unmoved and bool((np.diff(errors) < 0).all())


def picture(results, figure):
    """Draw the first seed's best unit for each target and number of pieces."""
    panels = figure.subplots(len(TARGETS), len(PIECES), sharex=True, sharey=True)
    units, x = [r for r in results if "slopes" in r], np.linspace(-1, 1, 201)
    for axes, unit in zip(panels.flat, units, strict=False):  # of the first seed
        pieces = np.outer(x, unit["slopes"]) + unit["biases"]
        axes.plot(x, pieces, color="0.6", lw=1)
        axes.plot(x, pieces.max(axis=1), color=COLORS[1], lw=3)
        axes.plot(x, TARGETS[unit["target"]](x), "--", color=COLORS[0])
        title = f"{unit['pieces']} pieces: off {unit['least_error']:.3f}"
        axes.set(title=title, xlabel="input x", ylabel=unit["target"], ylim=(-0.6, 1.2))
        axes.label_outer()
    names = ["one of its pieces", "the unit", "target"]
    figure.legend(axes.lines[-3:], names, loc="outside lower center", ncols=3)


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, data=None, size=(9, 5))
main = RECIPE.main


if __name__ == "__main__":
    main()
