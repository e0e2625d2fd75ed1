"""What monitors and the doctor judge: dead units, saturated outputs, update ratios."""

import math

from keras import ops

from kcomponents._activation_traits import PLATEAUS, TRAITS
from kcomponents._tensors import widened
from kcomponents.probes.statistic import Statistic

# Dead units


def per_unit(reduce, outputs, axis):
    """Reduce outputs over all axes but the axis of the units.

    Args:
        reduce: Function of `keras.ops` or numpy, such as `ops.max`.
        outputs: Tensor or array.
        axis: Integer, the axis of the units.
    """
    rank = len(outputs.shape)
    if rank == 1:
        # One number per sample: one unit.
        return reduce(outputs, axis=0, keepdims=True)
    # The last axis first: before Keras 3.13, `ops.any` on PyTorch takes away one after
    # the other.
    axes = tuple(i for i in reversed(range(rank)) if i != axis % rank)
    return reduce(outputs, axis=axes)


def is_dead(highest, threshold=0.0):
    """Return for each unit whether it is dead: no output is above the threshold.

    A unit with NaN is not dead.

    Args:
        highest: Array, the highest output of each unit over all samples and positions,
            as `per_unit(ops.max, ...)` returns it.
        threshold: Float. Defaults to 0, for units that are inactive at or below 0.
    """
    return highest <= threshold


# Saturated outputs

# Outside these limits the slope is below 1/25 of the maximum slope.
LIMITS = PLATEAUS
# These activations reach their bounds exactly, and are flat there.
FLAT = {
    name
    for name, limits in LIMITS.items()
    if limits == (TRAITS[name].low, TRAITS[name].high)
}


def on_plateau(view, limits):
    """Return for each unit how many of its outputs are saturated."""
    # In half precision the limits would be rounded too.
    (low, high), outputs = limits, widened(view.outputs)
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


# Update ratios: the size of each update relative to the weights


def _moved(view):
    """Return 1 for each variable that has a ratio in this step, else 0."""
    # NaN and infinite weights count too, so that the ratio shows them.
    return ops.where(view.weights == 0, 0.0, view.applied)


def _ratio(view):
    square = view.squares / ops.where(view.weights == 0, 1.0, view.weights)
    return ops.where(_moved(view) > 0, ops.sqrt(square), 0.0)


RATIOS = (
    Statistic("update_ratio", "updates", _ratio, per_variable=True),
    Statistic("update_steps", "updates", _moved, per_variable=True),
)


def mean_ratio(total, count):
    """Return the mean over steps, or NaN if no step moved the variable."""
    return float(total / count) if count else math.nan
