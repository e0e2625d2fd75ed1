"""ConvIdentity: a convolution kernel that returns its input times a gain."""

import keras
import numpy as np
from keras import ops

from kcomponents._check import fail, number, positive_int
from kcomponents._register import register


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
