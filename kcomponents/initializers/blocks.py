"""PerPiece and Blocked: a weight of several parts, each with its own draw."""

import numbers
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from kcomponents._checks import axis_in, fail, one_of, positive_int
from kcomponents._registration import register

# Each part has its own copy of the initializer, so the number of parts is limited.
MOST_PARTS = 10_000


@register
class PerPiece(keras.initializers.Initializer):
    """Initializer that initializes the pieces of a maxout kernel separately.

    A maxout layer stores the `num_pieces` linear pieces of all units in one kernel, on
    its last axis. Initializers such as Glorot's and He's are designed for the fan-in
    and fan-out of one piece. Applied to the whole kernel, they would count `num_pieces`
    times as many outputs and draw weights that are too small. Each piece has its own
    seed, derived from the initializer's seed, so no two pieces of a random initializer
    are equal.

    Initializers that are not random, such as `Constant` or `Identity`, make equal
    pieces. Then only the first piece of a unit gets a gradient in the first step, and
    the maxout layers warn.

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


# Copies of the initializer of a part.


def is_random(initializer):
    """Return whether an initializer draws values, or may do so.

    Functions, and initializers of users, are taken for random.
    """
    package = type(initializer).__module__.partition(".")[0]
    if package not in ("keras", "kcomponents"):
        return True
    return _has_seed(initializer.get_config())


def independent_copies(initializer, count):
    """Return `count` copies of an initializer, each with its own seed.

    A Keras initializer with an int seed, or without a seed, returns the same values at
    every call. The seed of each copy is derived from the given seed and the copy's
    index, so a config reproduces it; without a seed, each copy draws its own. An
    initializer with a `SeedGenerator`, or a plain function, draws anew at each call and
    is shared.
    """
    seed = getattr(initializer, "seed", None)
    draws_anew = isinstance(seed, keras.random.SeedGenerator)
    if draws_anew or not hasattr(initializer, "get_config"):
        return [initializer] * count
    config = initializer.get_config()
    if not _has_seed(config):
        # Nothing is drawn. No copies: the config of Keras's `Identity` lacks its gain.
        return [initializer] * count
    make = type(initializer).from_config
    return [make(_reseeded(config, place)) for place in range(count)]


def _has_seed(config):
    nested = [value for value in config.values() if isinstance(value, dict)]
    return "seed" in config or any(map(_has_seed, nested))


def _reseeded(config, place):
    """Return the config with new int seeds, also in nested configs."""
    if not isinstance(config, dict):
        return config
    return {
        name: _derived(value, place)
        if name == "seed" and isinstance(value, int)
        else _reseeded(value, place)
        for name, value in config.items()
    }


def _derived(seed, place):
    # Not `seed + place`: layers with seeds 1 and 2 would share all parts but one.
    mixed = np.random.SeedSequence([seed % 2**64, place]).generate_state(1)
    return int(mixed[0] >> 1)
