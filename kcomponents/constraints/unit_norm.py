"""UnitNorm: the incoming weights of each unit have norm 1."""

from collections.abc import Sequence

import keras
from keras import ops

from kcomponents._register import register
from kcomponents.constraints._norms import checked_axis, norms_of, rescaled


@register
class UnitNorm(keras.constraints.Constraint):
    """Constrain the incoming weights of each unit or filter to norm 1.

    `w = w / (epsilon() + norm)`, with norms in float32 or wider. Weights at zero stay
    at zero. With `axis="auto"` the norm is taken over all axes of the weight except the
    last one (over the only axis of a vector), as in `MaxNorm`.

    Args:
        axis: `"auto"`, int or list of ints, the axes over which a norm is taken.
            Defaults to `"auto"`.

    Raises:
        ValueError: If `axis` is invalid, or if a weight does not have the axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import UnitNorm
        >>> kernel = UnitNorm()(ops.array([[3.0, 0.0], [4.0, 0.5]]))
        >>> print(ops.convert_to_numpy(kernel).round(3))
        [[0.6 0. ]
         [0.8 1. ]]

    Reference:
        Salimans and Kingma, [Weight normalization](https://arxiv.org/abs/1602.07868),
        2016.
    """

    def __init__(self, axis: str | int | Sequence[int] = "auto"):
        self.axis = checked_axis(axis)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        return rescaled(w, norms_of(w, self.axis), 1.0)

    def get_config(self):
        return {"axis": self.axis}
