"""Initializers of kernels that return their input times a gain."""

import keras
import numpy as np
from keras import ops

from kcomponents._checks import fail, number, positive_int
from kcomponents._registration import register


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


@register
class ConvIdentity(keras.initializers.Initializer):
    """Initializer for identity convolutions: a Dirac delta times a gain.

    A `Conv1D`, `Conv2D` or `Conv3D` with this kernel, `padding="same"` and as many
    filters as channels returns `gain * inputs`. If there are more filters than
    channels, the additional filters output 0; if there are fewer, the additional
    channels are ignored. In kernels of even size the gain is just before the middle,
    where Keras pads less.

    Args:
        gain: Float, the value on the diagonal. Defaults to `1.0`.
        groups: Int, the `groups` of the layer; each group is an identity. Defaults to
            `1`.

    Raises:
        ValueError: If `gain` is not a finite number, if `groups` is not a positive
            integer that divides the filters, or if the shape is not the shape of a
            kernel, `(*sizes, channels per group, filters)`.

    Example:
        >>> from kcomponents.initializers import ConvIdentity
        >>> layer = keras.layers.Conv1D(
        ...     1, 3, padding="same", kernel_initializer=ConvIdentity(0.5)
        ... )
        >>> outputs = layer(keras.ops.array([[[2.0], [4.0], [6.0]]]))
        >>> keras.ops.convert_to_numpy(outputs)[0, :, 0].tolist()
        [1.0, 2.0, 3.0]

    Reference: Zagoruyko & Komodakis, DiracNets: Training Very Deep Neural Networks
    Without Skip-Connections, 2017,
    [arXiv:1706.00388](https://arxiv.org/abs/1706.00388).
    """

    def __init__(self, gain: float = 1.0, groups: int = 1):
        self.gain = number("gain", gain)
        self.groups = positive_int("groups", groups)

    def __call__(self, shape, dtype=None):
        """Return a kernel of shape `(*sizes, channels per group, filters)`."""
        if len(shape) not in (3, 4, 5):
            fail(
                "`ConvIdentity` needs a kernel of rank 3 to 5; use `ScaledIdentity` for"
                " a matrix.",
                shape=tuple(shape),
            )
        *sizes, channels, filters = shape
        if filters % self.groups:
            fail(
                "`groups` must divide the filters (the last axis of the kernel).",
                groups=self.groups,
                shape=tuple(shape),
            )
        kernel = np.zeros(shape)
        middle = tuple((size - 1) // 2 for size in sizes)
        group = np.eye(channels, filters // self.groups)
        kernel[middle] = self.gain * np.tile(group, self.groups)
        dtype = keras.backend.standardize_dtype(dtype)
        return ops.convert_to_tensor(kernel, dtype)

    def get_config(self):
        return {"gain": self.gain, "groups": self.groups}


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
