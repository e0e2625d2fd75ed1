"""Norms of the incoming weights of each unit."""

import keras
from keras import ops

from kcomponents._check import axis_in, one_of, whole_axis
from kcomponents._precision import widened


def checked_axis(axis):
    """Return `axis` in the form of the config: `"auto"`, an int or a list of ints."""
    if isinstance(axis, str):
        return one_of("axis", axis, ["auto"])
    if isinstance(axis, (list, tuple)) and axis:
        return [whole_axis(a) for a in axis]
    return whole_axis(axis)


def norms_of(w, axis):
    """Return the L2 norms of `w` along `axis`, in float32 or wider, axes kept."""
    rank = len(w.shape)
    if axis == "auto":
        axes = range(max(1, rank - 1))
    else:
        axes = axis if isinstance(axis, list) else [axis]
    axes = tuple(axis_in("axis", a, rank) for a in axes)
    w = widened(w)
    # Backends disagree about a sum over no axis.
    if not axes:
        return ops.absolute(w)
    return ops.sqrt(ops.sum(ops.square(w), axis=axes, keepdims=True))


def rescaled(w, norms, desired):
    """Return `w` rescaled from `norms` to the desired norms, in its own dtype."""
    # As in Keras, epsilon keeps weights of norm 0 at 0.
    scale = desired / (keras.config.epsilon() + norms)
    return ops.cast(widened(w) * scale, w.dtype)
