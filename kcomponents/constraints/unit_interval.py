"""UnitInterval: each weight stays between 0 and 1."""

import keras
from keras import ops

from kcomponents._register import register


@register
class UnitInterval(keras.constraints.Constraint):
    """Weights between 0 and 1, made for the slopes of PReLU.

    `clip(w, 0, 1)`. With slopes in [0, 1] PReLU is `maximum(x, slope * x)`: it never
    falls, and its output is nowhere farther from 0 than its input.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import UnitInterval
        >>> ops.convert_to_numpy(UnitInterval()(ops.array([-2.0, 0.25, 3.0]))).tolist()
        [0.0, 0.25, 1.0]

    Reference:
        He et al., [Delving deep into rectifiers](https://arxiv.org/abs/1502.01852),
        2015, for PReLU.
    """

    def __call__(self, w):
        return ops.clip(ops.convert_to_tensor(w), 0.0, 1.0)
