"""Maxout: the largest value of each group of channels."""

import functools
import itertools

import keras
from keras import ops

from kcomponents._check import axis_in, fail, one_of, positive_int, positive_ints


def maxout(x, num_pieces=2, axis=-1, *, group_sizes=None, grouping="contiguous"):
    """Return the largest value of each group of channels.

    Only the winner gets the gradient, the earliest of a group where several are equal.
    NaN wins.

    Args:
        x: Tensor. The size of `axis` must be known.
        num_pieces: Int, channels to a group. Defaults to `2`.
        axis: Int, the axis to shrink. Defaults to `-1`.
        group_sizes: Optional list of ints, the number of channels of each group, in
            place of `num_pieces`.
        grouping: Which channels form a group, of `n` groups of `k`: `"contiguous"`
            takes `i * k, ..., i * k + k - 1`, `"strided"` takes `i, i + n, ...`.
            Defaults to `"contiguous"`.

    Returns:
        Tensor with the number of groups on `axis`.

    Raises:
        ValueError: If counts are not positive integers, the groups do not fill the
            axis, or the grouping is unknown.

    Example:
        >>> from kcomponents.activations import maxout
        >>> y = maxout(keras.ops.array([1.0, 5.0, 4.0, 3.0]), 2)
        >>> keras.ops.convert_to_numpy(y).tolist()
        [5.0, 4.0]

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """
    if not isinstance(x, keras.KerasTensor):
        x = ops.convert_to_tensor(x)
    axis = axis_in("axis", axis, len(x.shape))
    size = x.shape[axis]
    if group_sizes is not None:
        group_sizes = positive_ints("group_sizes", group_sizes)
        if sum(group_sizes) != size:
            rule = "`group_sizes` must add up to the size of the axis."
            fail(rule, group_sizes=group_sizes, size=size)
        return functools.reduce(_larger, _unequal_pieces(x, group_sizes, axis))
    num_pieces = positive_int("num_pieces", num_pieces)
    one_of("grouping", grouping, ("contiguous", "strided"))
    if size is None or size % num_pieces:
        rule = "`num_pieces` must divide the size of the axis."
        fail(rule, num_pieces=num_pieces, size=size)
    return functools.reduce(_larger, _pieces(x, num_pieces, axis, grouping))


def _larger(a, b):
    # Not `ops.maximum`: backends differ in how they share a gradient among equals.
    return ops.where(ops.logical_or(a >= b, ops.isnan(a)), a, b)


def _pieces(x, num_pieces, axis, grouping):
    """Return the first channel of every group, the second, and so on."""
    if grouping == "strided":
        return ops.split(x, num_pieces, axis)
    shape = [-1 if size is None else size for size in x.shape]
    if shape.count(-1) > 1:
        # Right for any unknown sizes, but k times the memory in the backward pass.
        before = (slice(None),) * axis
        return [x[(*before, slice(j, None, num_pieces))] for j in range(num_pieces)]
    shape[axis : axis + 1] = [shape[axis] // num_pieces, num_pieces]
    return ops.unstack(ops.reshape(x, shape), num_pieces, axis + 1)


def _unequal_pieces(x, group_sizes, axis):
    """Return pieces as of equal groups, the last channel of short ones repeated."""
    starts = list(itertools.accumulate([0, *group_sizes[:-1]]))
    groups = list(zip(starts, group_sizes, strict=True))
    columns = [
        [start + min(j, size - 1) for start, size in groups]
        for j in range(max(group_sizes))
    ]
    return [ops.take(x, column, axis) for column in columns]
