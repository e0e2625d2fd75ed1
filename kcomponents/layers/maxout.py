"""Maxout: keep the largest value of each group of channels."""

from collections.abc import Sequence

import keras
from keras import ops

from kcomponents._checks import (
    axis_in,
    boolean,
    fail,
    one_of,
    positive_int,
    positive_ints,
)
from kcomponents._registration import register
from kcomponents.activations import maxout


@register
class Maxout(keras.layers.Layer):
    """Keep the largest value of each group of channels.

    `y[i] = max(x[j] for j in group i)`, or NaN if a channel of the group is NaN. After
    a linear layer, each group is a convex piecewise linear function whose pieces are
    learned. Only the largest channel of a group gets the gradient; if several are
    equal, the first.

    Set the groups by the number of channels per group (as in Chainer and Paddle), by
    the number of groups (as in TensorFlow Addons), or by the size of each group.

    Args:
        num_pieces: Int, the number of channels in each group. Defaults to `2`.
        axis: Int, the axis that contains the channels, not the batch axis. Defaults to
            `-1`.
        num_units: Int, the number of groups; replaces `num_pieces`. Defaults to `None`.
        group_sizes: List of ints, the number of channels of each group, which add up to
            the size of the axis; replaces `num_pieces`. Defaults to `None`.
        grouping: Which channels form group `i`, for `n` groups of `k` channels:
            `"contiguous"` takes `i * k, ..., i * k + k - 1` (as in Chainer and Paddle),
            `"strided"` takes `i, i + n, ...` (as in TensorFlow Addons). Defaults to
            `"contiguous"`.
        min_zero: Bool, whether to take the maximum of each group and 0, as in Pylearn2.
            Defaults to `False`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape:
        `(batch, ...)`, with at least one axis besides the batch axis. Only the size of
        `axis` must be known. Masks are supported; if the mask includes `axis`, a group
        is kept if one of its channels is.

    Output shape:
        The shape of the input, with the number of groups on `axis`.

    Raises:
        ValueError: If a count is not a positive integer, if more than one of
            `num_pieces`, `num_units` and `group_sizes` is given, if the groups do not
            add up to the size of the axis, if the axis is the batch axis or out of
            range, or if `group_sizes` is combined with `"strided"`.

    Example:
        >>> import keras
        >>> from kcomponents.layers import Maxout
        >>> y = Maxout(2)(keras.ops.array([[1.0, 5.0, 4.0, 3.0]]))
        >>> keras.ops.convert_to_numpy(y).tolist()
        [[5.0, 4.0]]

    Reference:
        Goodfellow, Warde-Farley, Mirza, Courville and Bengio, [Maxout
        Networks](https://arxiv.org/abs/1302.4389), 2013.
    """

    def __init__(
        self,
        num_pieces: int = 2,
        axis: int = -1,
        *,
        num_units: int | None = None,
        group_sizes: Sequence[int] | None = None,
        grouping: str = "contiguous",
        min_zero: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        groups = _checked_groups(num_pieces, num_units, group_sizes)
        self.num_pieces, self.num_units, self.group_sizes = groups
        self.axis = axis
        self.grouping = one_of("grouping", grouping, ("contiguous", "strided"))
        if self.group_sizes and grouping == "strided":
            fail("`group_sizes` needs `grouping='contiguous'`.", grouping=grouping)
        self.min_zero = boolean("min_zero", min_zero)
        self.supports_masking = True

    def build(self, input_shape):
        self.compute_output_shape(input_shape)

    def call(self, inputs):
        outputs = self._pooled(inputs, self.axis)
        if not self.min_zero:
            return outputs
        return ops.where(outputs < 0, ops.zeros_like(outputs), outputs)

    def _pooled(self, inputs, axis):
        pieces, sizes = self.num_pieces, self.group_sizes
        if self.num_units:
            pieces = inputs.shape[axis] // self.num_units
        return maxout(inputs, pieces, axis, group_sizes=sizes, grouping=self.grouping)

    def compute_mask(self, inputs, mask=None):
        axis = axis_in("axis", self.axis, len(inputs.shape))
        if mask is None or axis >= len(mask.shape):
            return mask
        return self._pooled(ops.cast(mask, self.compute_dtype), axis) > 0

    def compute_output_shape(self, input_shape):
        axis = axis_in("axis", self.axis, len(input_shape))
        if axis == 0:
            fail("`axis` must not be the batch axis.", axis=self.axis)
        groups = self._number_of_groups(input_shape[axis])
        return (*input_shape[:axis], groups, *input_shape[axis + 1 :])

    def _number_of_groups(self, size):
        if size is None:
            fail("The size of `axis` must be known.", axis=self.axis)
        if self.group_sizes:
            if sum(self.group_sizes) != size:
                fail(
                    "`group_sizes` must add up to the size of the axis.",
                    group_sizes=self.group_sizes,
                    size=size,
                )
            return len(self.group_sizes)
        name = "num_units" if self.num_units else "num_pieces"
        divisor = self.num_units or self.num_pieces
        if size % divisor:
            rule = f"`{name}` must divide the size of the axis."
            fail(rule, **{name: divisor}, size=size)
        return self.num_units or size // divisor

    def get_config(self):
        return {
            **super().get_config(),
            "num_pieces": self.num_pieces,
            "axis": self.axis,
            "num_units": self.num_units,
            "group_sizes": self.group_sizes and list(self.group_sizes),
            "grouping": self.grouping,
            "min_zero": self.min_zero,
        }


def _checked_groups(num_pieces, num_units, group_sizes):
    """Return the three checked arguments; two of them are None."""
    if num_units is None and group_sizes is None:
        return positive_int("num_pieces", num_pieces), None, None
    both = num_units is not None and group_sizes is not None
    # 2 may be the default, so it does not count as given.
    if both or num_pieces not in (None, 2):
        fail(
            "Pass only one of `num_pieces`, `num_units` and `group_sizes`.",
            num_pieces=num_pieces,
            num_units=num_units,
            group_sizes=group_sizes,
        )
    if num_units is not None:
        return None, positive_int("num_units", num_units), None
    return None, None, positive_ints("group_sizes", group_sizes)
