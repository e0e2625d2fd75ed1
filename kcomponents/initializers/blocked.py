"""Blocked: initialize each gate of a fused recurrent kernel separately."""

import numbers

import keras
from keras import ops

from kcomponents._check import axis_in, fail, positive_int
from kcomponents._register import register
from kcomponents.initializers._seeds import MOST_PARTS, independent_copies


@register
class Blocked(keras.initializers.Initializer):
    """Initializer that initializes equal blocks of a weight separately.

    Keras stores the gates of an LSTM or GRU side by side in one kernel. Initializers
    such as `Orthogonal`, `Identity` or `GlorotUniform` are designed for the kernel of a
    single gate. Applied to the whole kernel, they do not make any gate orthogonal. With
    `Blocked`, each gate has its own seed, derived from the initializer's seed, so no
    two gates are equal.

    Args:
        initializer: Initializer of one block: name, config or instance.
        num_blocks: Int, the number of blocks: 4 for `LSTM`, 3 for `GRU`.
        axis: Int, the axis along which the blocks are joined. Defaults to `-1`.

    Raises:
        ValueError: If `num_blocks` is not a positive integer of at most 10,000 or does
            not divide the size of the axis, or if the shape does not have the axis.

    Example:
        >>> from kcomponents.initializers import Blocked
        >>> layer = keras.layers.LSTM(8, recurrent_initializer=Blocked("orthogonal", 4))
        >>> layer(keras.ops.ones((2, 5, 3))).shape == (2, 8)
        True

    Reference: Saxe, McClelland & Ganguli, Exact Solutions to the Nonlinear Dynamics of
    Learning in Deep Linear Neural Networks, 2014,
    [arXiv:1312.6120](https://arxiv.org/abs/1312.6120).
    """

    def __init__(
        self,
        initializer: str | dict | keras.initializers.Initializer,
        num_blocks: int,
        axis: int = -1,
    ):
        if initializer is None:
            fail("`initializer` must not be None.", initializer=initializer)
        if isinstance(axis, bool) or not isinstance(axis, numbers.Integral):
            fail("`axis` must be an integer.", axis=axis)
        self.initializer = keras.initializers.get(initializer)
        self.num_blocks = positive_int("num_blocks", num_blocks, MOST_PARTS)
        self.axis = int(axis)
        self.blocks = independent_copies(self.initializer, self.num_blocks)

    def __call__(self, shape, dtype=None):
        """Return a weight whose blocks are initialized separately."""
        axis = axis_in("axis", self.axis, len(shape))
        if shape[axis] % self.num_blocks:
            fail(
                "`num_blocks` must divide the size of the axis.",
                num_blocks=self.num_blocks,
                axis=self.axis,
                shape=tuple(shape),
            )
        block = list(shape)
        block[axis] //= self.num_blocks
        return ops.concatenate(
            [draw(tuple(block), dtype) for draw in self.blocks], axis
        )

    def get_config(self):
        return {
            "initializer": keras.initializers.serialize(self.initializer),
            "num_blocks": self.num_blocks,
            "axis": self.axis,
        }
