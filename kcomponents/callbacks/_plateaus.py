"""Saturation: the limits of each activation, and counts of saturated outputs."""

import math

from keras import ops

from kcomponents.callbacks._outputs import per_unit

# Outside these limits the slope is below 1/25 of the maximum slope.
LIMITS = {
    "hard_sigmoid": (0.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "sigmoid": (0.01, 0.99),
    "softsign": (-0.9, 0.9),
    "sparse_sigmoid": (0.0, 1.0),
    "tanh": (-0.99, 0.99),
}
# These activations reach their bounds exactly, and are flat there.
FLAT = {"hard_sigmoid", "hard_tanh", "sparse_sigmoid"}


def on_plateau(view, limits):
    """Return for each unit how many of its outputs are saturated."""
    (low, high), outputs = limits, view.outputs
    if view.activation in FLAT:
        found = ops.logical_or(outputs <= low, outputs >= high)
    else:
        found = ops.logical_or(outputs < low, outputs > high)
    return per_unit(ops.sum, ops.cast(found, "float32"), view.axis)


def outputs_per_unit(view):
    """Return the number of outputs of each unit in a batch."""
    shape = list(ops.shape(view.outputs))
    if len(shape) > 1:
        del shape[view.axis]
    # In Python where the shape is known, which is cheaper than an operation.
    return math.prod(shape)
