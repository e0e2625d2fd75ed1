"""UnitInterval: keep each weight between 0 and 1."""

import keras
from keras import ops

from kcomponents._register import register


@register
class UnitInterval(keras.constraints.Constraint):
    """Constrain each weight to the range [0, 1], for example the slopes of PReLU.

    `w = clip(w, 0, 1)`. With slopes in [0, 1], PReLU is `maximum(x, slope * x)`: it
    never decreases, and the absolute value of its output never exceeds its input's.

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
