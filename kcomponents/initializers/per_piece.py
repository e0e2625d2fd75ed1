"""PerPiece: each piece of a fused maxout kernel is initialized on its own."""

import keras
from keras import ops

from kcomponents._check import fail, one_of, positive_int
from kcomponents._register import register
from kcomponents.initializers._seeds import MOST_PARTS, independent_copies


@register
class PerPiece(keras.initializers.Initializer):
    """Initializer that draws the pieces of a maxout kernel one by one.

    A maxout layer keeps the `num_pieces` linear pieces of all units in one kernel, on
    its last axis. Glorot's and He's variance mean the fans of one piece; handed the
    whole kernel they see `num_pieces` times the outputs and draw too small. Pieces draw
    from seeds of their own, derived from the initializer's, so that none start equal.

    `Constant` or `Identity` draw nothing: their pieces start equal, and a unit learns
    with its first piece until the others have parted from it.

    Args:
        initializer: Initializer of one piece, a weight with `1 / num_pieces` of the
            last axis: name, config, instance, or a function of shape and dtype that
            draws anew on each call.
        num_pieces: Int, number of pieces of each unit.
        grouping: Order on the last axis, of `n` units and `k` pieces: `"contiguous"`
            puts piece `j` of unit `i` at `i * k + j`, `"strided"` at `j * n + i`.
            Defaults to `"contiguous"`.

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

    def __init__(self, initializer, num_pieces, *, grouping="contiguous"):
        if initializer is None:
            fail("`initializer` must be given.", initializer=initializer)
        self.initializer = keras.initializers.get(initializer)
        self.num_pieces = positive_int("num_pieces", num_pieces, MOST_PARTS)
        self.grouping = one_of("grouping", grouping, ("contiguous", "strided"))
        self.pieces = independent_copies(self.initializer, self.num_pieces)

    def __call__(self, shape, dtype=None):
        """Return the pieces, side by side or interleaved on the last axis."""
        if not shape or shape[-1] % self.num_pieces:
            fail(
                "`num_pieces` must divide the last axis.",
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
