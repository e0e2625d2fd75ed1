"""IRNN: an identity recurrent kernel for recurrent networks with ReLU units."""

import keras
import numpy as np
from keras import ops

from kcomponents._check import fail, number
from kcomponents._register import register


@register
class IRNN(keras.initializers.Initializer):
    """Initializer for the recurrent kernel of a ReLU network: `gain * identity`.

    With ReLU units and zero biases, such a network copies its state from time step to
    time step, so gradients neither vanish nor explode at the start of training. The
    recipe of the paper:

    - `activation="relu"`, `recurrent_initializer=IRNN()` and zero biases;
    - input weights from a normal distribution with mean 0 and standard deviation 0.001
      (use 0.1 for short runs: with 0.001 the network learns slowly);
    - gradients clipped by norm, because the identity is at the edge of exploding;
    - `gain=1.0` for long-term dependencies, `0.01` if only recent inputs matter, as in
      speech.

    Args:
        gain: Float, the value on the diagonal. Defaults to `1.0`.

    Raises:
        ValueError: If `gain` is not a finite number, or if the shape is not square.

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

    def __init__(self, gain: float = 1.0):
        self.gain = number("gain", gain)

    def __call__(self, shape, dtype=None):
        """Return a square matrix, `gain` times the identity."""
        if len(shape) != 2 or shape[0] != shape[1]:
            fail(
                "`IRNN` needs a square recurrent kernel, such as that of `SimpleRNN`."
                " For LSTM or GRU use `Blocked(IRNN(), num_blocks)`.",
                shape=tuple(shape),
            )
        dtype = keras.backend.standardize_dtype(dtype)
        return ops.convert_to_tensor(self.gain * np.eye(*shape), dtype)

    def get_config(self):
        return {"gain": self.gain}
