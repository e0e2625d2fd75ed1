"""maxout: the largest value of each group of channels."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kcomponents._check import axis_in, fail, one_of, positive_int, positive_ints


def maxout(
    x: Any,
    num_pieces: int = 2,
    axis: int = -1,
    *,
    group_sizes: Sequence[int] | None = None,
    grouping: str = "contiguous",
) -> Any:
    """Return the largest value of each group of channels.

    `y[i] = max(x[j] for j in group i)`, or NaN if a channel of the group is NaN. Only
    the largest channel of a group gets the gradient; if several are equal, the first.

    Args:
        x: Tensor. The size of `axis` must be known.
        num_pieces: Int, the number of channels in each group. Defaults to `2`.
        axis: Int, the axis that contains the channels. Defaults to `-1`.
        group_sizes: List of ints, the number of channels of each group; replaces
            `num_pieces`. Defaults to `None`.
        grouping: Which channels form group `i`, for `n` groups of `k` channels:
            `"contiguous"` takes `i * k, ..., i * k + k - 1`, `"strided"` takes
            `i, i + n, ...`. Defaults to `"contiguous"`.

    Returns:
        Tensor with the shape of `x`, except for the number of groups on `axis`.

    Raises:
        ValueError: If counts are not positive integers, if the groups do not add up to
            the size of the axis, or if the grouping is unknown.

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
    # Not `ops.maximum`: for equal values, backends split the gradient differently.
    return ops.where(ops.logical_or(a >= b, ops.isnan(a)), a, b)


def _pieces(x, num_pieces, axis, grouping):
    """Return the first channel of every group, the second, and so on."""
    if grouping == "strided":
        return ops.split(x, num_pieces, axis)
    shape = [-1 if size is None else size for size in x.shape]
    if shape.count(-1) > 1:
        # Works for any unknown sizes; the backward pass takes k times the memory.
        before = (slice(None),) * axis
        return [x[(*before, slice(j, None, num_pieces))] for j in range(num_pieces)]
    shape[axis : axis + 1] = [shape[axis] // num_pieces, num_pieces]
    return ops.unstack(ops.reshape(x, shape), num_pieces, axis + 1)


def _unequal_pieces(x, group_sizes, axis):
    """Return pieces for unequal groups; short groups repeat their last channel."""
    starts = list(itertools.accumulate([0, *group_sizes[:-1]]))
    groups = list(zip(starts, group_sizes, strict=True))
    columns = [
        [start + min(j, size - 1) for start, size in groups]
        for j in range(max(group_sizes))
    ]
    return [ops.take(x, column, axis) for column in columns]
