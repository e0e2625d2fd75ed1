"""Clip: keep each weight within a symmetric range."""

import keras
from keras import ops

from kcomponents._check import number
from kcomponents._register import register


@register
class Clip(keras.constraints.Constraint):
    """Constrain each weight to the range `[-c, c]`.

    `w = clip(w, -c, c)`, entry by entry.

    Args:
        c: Float above 0, the largest absolute value. Defaults to `0.01`, the value for
            the critic in the reference.

    Raises:
        ValueError: If `c` is not a finite number above 0.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import Clip
        >>> ops.convert_to_numpy(Clip(0.5)(ops.array([-2.0, 0.25]))).tolist()
        [-0.5, 0.25]

    Reference:
        Arjovsky et al., [Wasserstein GAN](https://arxiv.org/abs/1701.07875), 2017.
    """

    def __init__(self, c: float = 0.01):
        self.c = number("c", c, 0, open_low=True)

    def __call__(self, w):
        return ops.clip(ops.convert_to_tensor(w), -self.c, self.c)

    def get_config(self):
        return {"c": self.c}
