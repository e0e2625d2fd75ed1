"""The sums that penalties are made of."""

from keras import ops

from kcomponents._check import axis_in
from kcomponents._precision import widened


def absolute_sum(x):
    """Return the sum of absolute values."""
    return ops.sum(ops.absolute(widened(x)))


def square_sum(x):
    """Return the sum of squares."""
    return ops.sum(ops.square(widened(x)))


def group_sum(x, axis, epsilon):
    """Return the sum of `sqrt(size) * norm` over the slices of `x` along `axis`."""
    x = widened(x)
    axis = axis_in("axis", axis, len(x.shape))
    groups = ops.reshape(ops.moveaxis(x, axis, -1), (-1, x.shape[axis]))
    squares = ops.sum(ops.square(groups), axis=0)
    # The slope of the root at 0 is infinite, and NaN once multiplied by 0: the inner
    # `where` keeps the root off 0, the outer one gives the value there.
    alive = squares > epsilon
    norms = ops.where(alive, ops.sqrt(ops.where(alive, squares, 1.0)), 0.0)
    return groups.shape[0] ** 0.5 * ops.sum(norms)
