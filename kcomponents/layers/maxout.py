"""Maxout: the largest of several linear pieces is a unit's activation."""

import keras
from keras import ops

from kcomponents._check import (
    axis_in,
    boolean,
    fail,
    one_of,
    positive_int,
    positive_ints,
)
from kcomponents._register import register
from kcomponents.activations import maxout


@register
class Maxout(keras.layers.Layer):
    """Keep the largest value of each group of channels.

    `y[i] = max(x[j] for j in group i)`: after a linear layer, each unit is a convex
    piecewise linear function, learned along with its weights. Only the winner gets the
    gradient, the earliest of a group where several are equal. NaN wins.

    Groups are given by the number of channels each takes (as in Chainer and Paddle), by
    the number of groups (as in TensorFlow Addons) or one by one.

    Args:
        num_pieces: Int, channels to a group. Defaults to `2`.
        axis: Int, the axis to shrink, not the batch axis. Defaults to `-1`.
        num_units: Optional int, number of groups. It takes the place of `num_pieces`.
        group_sizes: Optional list of ints, the number of channels of each group, which
            add up to the size of the axis. It takes the place of `num_pieces`.
        grouping: Which channels form a group, of `n` groups of `k`: `"contiguous"`
            takes `i * k, ..., i * k + k - 1` (Chainer, Paddle), `"strided"` takes `i,
            i + n, ...` (TensorFlow Addons). Defaults to `"contiguous"`.
        min_zero: Bool, whether 0 competes in each group, as in Pylearn2. Defaults to
            `False`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape:
        Any, with at least one axis beside the batch; only the size of `axis` must be
        known. A mask passes; where it covers `axis`, one channel keeps its group.

    Output shape:
        The input's, with the number of groups on `axis`.

    Raises:
        ValueError: If counts are not positive integers, several of them are given, the
            groups do not fill the axis, the axis is the batch's or outside the input,
            or sizes are joined with `"strided"`.

    Example:
        >>> from kcomponents.layers import Maxout
        >>> y = Maxout(2)(keras.ops.array([[1.0, 5.0, 4.0, 3.0]]))
        >>> keras.ops.convert_to_numpy(y).tolist()
        [[5.0, 4.0]]

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """

    def __init__(
        self,
        num_pieces=2,
        axis=-1,
        *,
        num_units=None,
        group_sizes=None,
        grouping="contiguous",
        min_zero=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        groups = _one_way_of_grouping(num_pieces, num_units, group_sizes)
        self.num_pieces, self.num_units, self.group_sizes = groups
        self.axis = axis
        self.grouping = one_of("grouping", grouping, ("contiguous", "strided"))
        if self.group_sizes and grouping == "strided":
            fail("`group_sizes` needs contiguous groups.", grouping=grouping)
        self.min_zero = boolean("min_zero", min_zero)
        self.supports_masking = True

    def build(self, input_shape):
        self.compute_output_shape(input_shape)

    def call(self, inputs):
        outputs = self._largest(inputs, self.axis)
        if not self.min_zero:
            return outputs
        return ops.where(outputs < 0, ops.zeros_like(outputs), outputs)

    def _largest(self, inputs, axis):
        pieces, sizes = self.num_pieces, self.group_sizes
        if self.num_units:
            pieces = inputs.shape[axis] // self.num_units
        return maxout(inputs, pieces, axis, group_sizes=sizes, grouping=self.grouping)

    def compute_mask(self, inputs, mask=None):
        axis = axis_in("axis", self.axis, len(inputs.shape))
        if mask is None or axis >= len(mask.shape):
            return mask
        return self._largest(ops.cast(mask, self.compute_dtype), axis) > 0

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


def _one_way_of_grouping(num_pieces, num_units, group_sizes):
    """Return the three arguments checked, all but one of them None."""
    if num_units is None and group_sizes is None:
        return positive_int("num_pieces", num_pieces), None, None
    both = num_units is not None and group_sizes is not None
    # 2 is the default: given or not cannot be told apart.
    if both or num_pieces not in (None, 2):
        fail(
            "Give one of `num_pieces`, `num_units` and `group_sizes`.",
            num_pieces=num_pieces,
            num_units=num_units,
            group_sizes=group_sizes,
        )
    if num_units is not None:
        return None, positive_int("num_units", num_units), None
    return None, None, positive_ints("group_sizes", group_sizes)
