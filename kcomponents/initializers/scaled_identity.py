"""ScaledIdentity: a matrix that passes its input on, times a gain."""

import keras
import numpy as np
from keras import ops

from kcomponents._check import fail, number
from kcomponents._register import register


@register
class ScaledIdentity(keras.initializers.Initializer):
    """Initializer for matrices: the identity times a gain.

    `kernel[i, j] = gain` where `i == j`, else 0, also where the matrix is not square.
    A dense layer with this kernel and as many units as inputs returns `gain * inputs`.

    Args:
        gain: Float, the value on the diagonal. Defaults to `1.0`.

    Raises:
        ValueError: Unless `gain` is a finite number and the shape that of a matrix.

    Example:
        >>> from kcomponents.initializers import ScaledIdentity
        >>> layer = keras.layers.Dense(2, kernel_initializer=ScaledIdentity(0.5))
        >>> outputs = layer(keras.ops.array([[2.0, 4.0]]))
        >>> keras.ops.convert_to_numpy(outputs).tolist()
        [[1.0, 2.0]]

    Reference: Le, Jaitly & Hinton, A Simple Way to Initialize Recurrent Networks of
    Rectified Linear Units, 2015, [arXiv:1504.00941](https://arxiv.org/abs/1504.00941).
    """

    def __init__(self, gain=1.0):
        self.gain = number("gain", gain)

    def __call__(self, shape, dtype=None):
        """Return `gain` times the identity, of a shape with two axes."""
        if len(shape) != 2:
            fail(
                "`ScaledIdentity` makes matrices; take `ConvIdentity` for the kernel of"
                " a convolution.",
                shape=tuple(shape),
            )
        dtype = keras.backend.standardize_dtype(dtype)
        return ops.convert_to_tensor(self.gain * np.eye(*shape), dtype)

    def get_config(self):
        return {"gain": self.gain}
