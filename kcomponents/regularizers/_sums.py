"""Sums from which the regularizers compute their penalties."""

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
    # The derivative of the root at 0 is infinite, and its product with 0 is NaN. The
    # inner `where` keeps 0 out of the root, the outer one sets the norm to 0.
    nonzero = squares > epsilon
    norms = ops.where(nonzero, ops.sqrt(ops.where(nonzero, squares, 1.0)), 0.0)
    return groups.shape[0] ** 0.5 * ops.sum(norms)
