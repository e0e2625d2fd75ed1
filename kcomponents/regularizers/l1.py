"""L1: a penalty on the sum of absolute values."""

import keras

from kcomponents._check import number
from kcomponents._register import register
from kcomponents.regularizers._sums import absolute_sum


@register
class L1(keras.regularizers.Regularizer):
    """Regularizer on the absolute values of a weight, which drives entries to zero.

    `penalty = l1 * sum(abs(x))`, summed in float32 or wider. With most optimizers,
    weights get close to zero, but not exactly to zero; for exact zeros use
    `kcomponents.constraints.SoftThreshold`.

    Args:
        l1: Float of at least 0, the factor of the penalty. Defaults to `0.01`.

    Raises:
        ValueError: If `l1` is not a finite number of at least 0.

    Example:
        >>> from keras import ops
        >>> from kcomponents.regularizers import L1
        >>> round(float(L1(0.1)(ops.array([1.0, -2.0]))), 6)
        0.3

    Reference:
        Tibshirani, [Regression shrinkage and selection via the
        lasso](https://doi.org/10.1111/j.2517-6161.1996.tb02080.x), 1996.
    """

    def __init__(self, l1: float = 0.01):
        self.l1 = number("l1", l1, 0)

    def __call__(self, x):
        return self.l1 * absolute_sum(x)

    def get_config(self):
        return {"l1": self.l1}
