"""The lines Maxout units are made of: which win, which move, how close they get.

Units of as many pieces are an array `(2, units, pieces)`: slopes, then intercepts.
"""

import keras
import numpy as np

from kcomponents.layers import MaxoutDense


def off_by_hand(kernel, function):
    """Return how far a unit of two pieces with given weights is off a function."""
    x = np.random.default_rng(0).normal(size=(1000, 1)).astype("float32")
    layer = MaxoutDense(1, num_pieces=2)
    layer.build(x.shape)
    layer.set_weights([np.array(kernel, "float32"), np.zeros(2, "float32")])
    return float(np.abs(keras.ops.convert_to_numpy(layer(x)) - function(x)).max())


def lines(model, units):
    """Return the lines of each group of units, all of as many pieces.

    Args:
        model: Keras model of one input, a `Dense` and a `Maxout` layer.
        units: Integer, how many there are in a group.
    """
    ends = np.cumsum(model.layers[-1].group_sizes)[units - 1 : -1 : units]
    blocks = np.split(np.vstack(model.get_weights()), ends, axis=1)
    return [block.reshape(2, units, -1) for block in blocks]


def moves(old, new, x):
    """Return how far a step at x moved what lost there, at most, and what won."""
    height = old[0] * x + old[1]
    wins = height == height.max(axis=1, keepdims=True)
    change = np.abs(new - old).max(axis=0)
    loser, winner = float(change[~wins].max()), float(change[wins].min())
    return {"loser_moved": loser, "winner_moved": winner}


def closeness(units, function):
    """Return how close units get to a function on [-1, 1], and the best one's lines."""
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
