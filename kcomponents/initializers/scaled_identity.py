"""ScaledIdentity: a kernel that returns its input times a gain."""

import keras
import numpy as np
from keras import ops

from kcomponents._check import fail, number
from kcomponents._register import register


@register
class ScaledIdentity(keras.initializers.Initializer):
    """Initializer for matrices: the identity times a gain.

    `kernel[i, j] = gain` if `i == j`, else 0. The matrix need not be square. A dense
    layer with this kernel and as many units as inputs returns `gain * inputs`.

    Args:
        gain: Float, the value on the diagonal. Defaults to `1.0`.

    Raises:
        ValueError: If `gain` is not a finite number, or if the shape is not a matrix's.

    Example:
        >>> from kcomponents.initializers import ScaledIdentity
        >>> layer = keras.layers.Dense(2, kernel_initializer=ScaledIdentity(0.5))
        >>> outputs = layer(keras.ops.array([[2.0, 4.0]]))
        >>> keras.ops.convert_to_numpy(outputs).tolist()
        [[1.0, 2.0]]

    Reference: Le, Jaitly & Hinton, A Simple Way to Initialize Recurrent Networks of
    Rectified Linear Units, 2015, [arXiv:1504.00941](https://arxiv.org/abs/1504.00941).
    """

    def __init__(self, gain: float = 1.0):
        self.gain = number("gain", gain)

    def __call__(self, shape, dtype=None):
        """Return a matrix, `gain` times the identity."""
        if len(shape) != 2:
            fail(
                "`ScaledIdentity` needs a matrix; use `ConvIdentity` for the kernel of"
                " a convolution.",
                shape=tuple(shape),
            )
        dtype = keras.backend.standardize_dtype(dtype)
        return ops.convert_to_tensor(self.gain * np.eye(*shape), dtype)

    def get_config(self):
        return {"gain": self.gain}
