"""PerPiece: initialize each piece of a fused maxout kernel separately."""

from collections.abc import Callable

import keras
from keras import ops

from kcomponents._check import fail, one_of, positive_int
from kcomponents._register import register
from kcomponents.initializers._seeds import MOST_PARTS, independent_copies


@register
class PerPiece(keras.initializers.Initializer):
    """Initializer that initializes the pieces of a maxout kernel separately.

    A maxout layer stores the `num_pieces` linear pieces of all units in one kernel, on
    its last axis. Initializers such as Glorot's and He's are designed for the fan-in
    and fan-out of one piece. Applied to the whole kernel, they would count `num_pieces`
    times as many outputs and draw weights that are too small. Each piece has its own
    seed, derived from the initializer's seed, so no two pieces are equal.

    Initializers that are not random, such as `Constant` or `Identity`, make equal
    pieces. Then only the first piece of a unit gets a gradient until the pieces differ.

    Args:
        initializer: Initializer of one piece, whose last axis is `num_pieces` times
            smaller: name, config, instance, or a function of shape and dtype that
            draws new values at each call.
        num_pieces: Int, the number of pieces of each unit.
        grouping: Order of the last axis for `n` units and `k` pieces: `"contiguous"`
            puts piece `j` of unit `i` at `i * k + j`, `"strided"` puts it at
            `j * n + i`. Defaults to `"contiguous"`.

    Raises:
        ValueError: If `num_pieces` is not a positive integer of at most 10,000 or does
            not divide the last axis, or if the grouping is unknown.

    Example:
        >>> from kcomponents.initializers import PerPiece
        >>> kernel = PerPiece("orthogonal", num_pieces=2)((3, 6))
        >>> first = keras.ops.convert_to_numpy(kernel)[:, ::2]
        >>> abs(first.T @ first).round(3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """

    def __init__(
        self,
        initializer: str | dict | keras.initializers.Initializer | Callable,
        num_pieces: int,
        *,
        grouping: str = "contiguous",
    ):
        if initializer is None:
            fail("`initializer` must not be None.", initializer=initializer)
        self.initializer = keras.initializers.get(initializer)
        self.num_pieces = positive_int("num_pieces", num_pieces, MOST_PARTS)
        self.grouping = one_of("grouping", grouping, ("contiguous", "strided"))
        self.pieces = independent_copies(self.initializer, self.num_pieces)

    def __call__(self, shape, dtype=None):
        """Return a kernel whose pieces are initialized separately."""
        if not shape or shape[-1] % self.num_pieces:
            fail(
                "`num_pieces` must divide the size of the last axis.",
                num_pieces=self.num_pieces,
                shape=tuple(shape),
            )
        piece = (*shape[:-1], shape[-1] // self.num_pieces)
        axis = -1 if self.grouping == "contiguous" else -2
        drawn = [draw(piece, dtype=dtype) for draw in self.pieces]
        return ops.reshape(ops.stack(drawn, axis), shape)

    def get_config(self):
        return {
            "initializer": keras.initializers.serialize(self.initializer),
            "num_pieces": self.num_pieces,
            "grouping": self.grouping,
        }
