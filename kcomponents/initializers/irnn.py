"""IRNN: the recurrent kernel that lets a rectified network remember."""

import keras
import numpy as np
from keras import ops

from kcomponents._check import fail, number
from kcomponents._register import register


@register
class IRNN(keras.initializers.Initializer):
    """Initializer for the recurrent kernel of a rectified network: `gain * identity`.

    With ReLU units and biases of 0 such a network copies its state from step to step,
    and gradients neither vanish nor explode at first. The whole recipe of the paper:

    - `activation="relu"`, `recurrent_initializer=IRNN()`, bias 0;
    - input weights from a normal distribution of mean 0 and standard deviation 0.001
      (0.1 where training is to be short: a memory filled that slowly learns slowly);
    - gradients clipped by their norm, for the identity sits at the edge of exploding;
    - `gain` 1 to remember for long, 0.01 where only the near past matters (speech).

    Args:
        gain: Float, the value on the diagonal. Defaults to `1.0`.

    Raises:
        ValueError: Unless `gain` is a finite number and the shape a square.

    Example:
        >>> from kcomponents.initializers import IRNN
        >>> layer = keras.layers.SimpleRNN(
        ...     100,
        ...     activation="relu",
        ...     kernel_initializer=keras.initializers.RandomNormal(stddev=0.1),
        ...     recurrent_initializer=IRNN(),
        ... )
        >>> layer(keras.ops.ones((2, 5, 3))).shape == (2, 100)
        True

    Reference: Le, Jaitly & Hinton, A Simple Way to Initialize Recurrent Networks of
    Rectified Linear Units, 2015, [arXiv:1504.00941](https://arxiv.org/abs/1504.00941).
    """

    def __init__(self, gain=1.0):
        self.gain = number("gain", gain)

    def __call__(self, shape, dtype=None):
        """Return `gain` times the identity, of a square shape."""
        if len(shape) != 2 or shape[0] != shape[1]:
            fail(
                "`IRNN` makes square recurrent kernels, as of `SimpleRNN`. For the"
                " gates of an LSTM or GRU use `Blocked(IRNN(), num_blocks)`.",
                shape=tuple(shape),
            )
        dtype = keras.backend.standardize_dtype(dtype)
        return ops.convert_to_tensor(self.gain * np.eye(*shape), dtype)

    def get_config(self):
        return {"gain": self.gain}
