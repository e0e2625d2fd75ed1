"""MaxNorm: an upper bound on the norm of each unit's incoming weights."""

from collections.abc import Sequence

import keras
from keras import ops

from kcomponents._check import number
from kcomponents._register import register
from kcomponents.constraints._norms import checked_axis, norms_of, rescaled


@register
class MaxNorm(keras.constraints.Constraint):
    """Constrain the norm of the incoming weights of each unit or filter.

    `w = w * min(norm, max_value) / (epsilon() + norm)`, with norms in float32 or wider.

    With `axis="auto"` the norm is taken over all axes of the weight except the last one
    (over the only axis of a vector). This bounds each column of a `Dense` kernel and
    each filter of a convolution. `keras.constraints.MaxNorm` uses axis 0 only, which
    does not bound a filter. Pass the axes if the last axis does not number the units:
    `[0, 1]` for `DepthwiseConv2D`, `[0, 1, 3]` for `Conv2DTranspose`.

    Args:
        max_value: Float above 0, the largest norm. Defaults to `2`.
        axis: `"auto"`, int or list of ints, the axes over which a norm is taken.
            Defaults to `"auto"`.

    Raises:
        ValueError: If an argument is out of range, or if a weight does not have the
            axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import MaxNorm
        >>> kernel = MaxNorm(1.0)(ops.array([[3.0, 0.3], [4.0, 0.4]]))
        >>> print(ops.convert_to_numpy(kernel).round(3))
        [[0.6 0.3]
         [0.8 0.4]]

    Reference:
        Srivastava et al., [Dropout: a simple way to prevent neural networks from
        overfitting](https://jmlr.org/papers/v15/srivastava14a.html), 2014.
    """

    def __init__(self, max_value: float = 2, axis: str | int | Sequence[int] = "auto"):
        self.max_value = number("max_value", max_value, 0, open_low=True)
        self.axis = checked_axis(axis)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        norms = norms_of(w, self.axis)
        return rescaled(w, norms, ops.minimum(norms, self.max_value))

    def get_config(self):
        return {"max_value": self.max_value, "axis": self.axis}
