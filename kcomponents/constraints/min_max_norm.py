"""MinMaxNorm: bounds on the norm of each unit's incoming weights."""

from collections.abc import Sequence

import keras
from keras import ops

from kcomponents._check import fail, number
from kcomponents._register import register
from kcomponents.constraints._norms import checked_axis, norms_of, rescaled


@register
class MinMaxNorm(keras.constraints.Constraint):
    """Constrain the norm of the incoming weights of each unit or filter to a range.

    `w = w * desired / (epsilon() + norm)`, where `desired` is
    `rate * clip(norm, min_value, max_value) + (1 - rate) * norm`, with norms in float32
    or wider. Weights at zero stay at zero. With `axis="auto"` the norm is taken over
    all axes of the weight except the last one (over the only axis of a vector), as in
    `MaxNorm`.

    Args:
        min_value: Float of at least 0, the smallest norm. Defaults to `0.0`.
        max_value: Float above 0, the largest norm. Defaults to `1.0`.
        rate: Float in [0, 1], how far one call moves a norm toward the range: `1.0`
            enforces the range at every call. Defaults to `1.0`.
        axis: `"auto"`, int or list of ints, the axes over which a norm is taken.
            Defaults to `"auto"`.

    Raises:
        ValueError: If an argument is out of range, if `min_value > max_value`, or if a
            weight does not have the axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import MinMaxNorm
        >>> kernel = MinMaxNorm(0.5, 1.0)(ops.array([[3.0, 0.06], [4.0, 0.08]]))
        >>> print(ops.convert_to_numpy(kernel).round(3))
        [[0.6 0.3]
         [0.8 0.4]]

    Reference:
        Srivastava et al., [Dropout: a simple way to prevent neural networks from
        overfitting](https://jmlr.org/papers/v15/srivastava14a.html), 2014.
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: str | int | Sequence[int] = "auto",
    ):
        self.min_value = number("min_value", min_value, 0)
        self.max_value = number("max_value", max_value, 0, open_low=True)
        if self.min_value > self.max_value:
            rule = "`min_value` must not exceed `max_value`."
            fail(rule, min_value=min_value, max_value=max_value)
        self.rate = number("rate", rate, 0, 1)
        self.axis = checked_axis(axis)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        norms = norms_of(w, self.axis)
        bounded = ops.clip(norms, self.min_value, self.max_value)
        return rescaled(w, norms, self.rate * bounded + (1 - self.rate) * norms)

    def get_config(self):
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }
