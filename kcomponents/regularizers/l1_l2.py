"""L1L2: a penalty on absolute values and squares."""

import keras

from kcomponents._check import number
from kcomponents._register import register
from kcomponents.regularizers._sums import absolute_sum, square_sum


@register
class L1L2(keras.regularizers.Regularizer):
    """Regularizer on the absolute values and the squares of a weight.

    `penalty = l1 * sum(abs(x)) + l2 * sum(square(x))`, summed in float32 or wider.
    `ElasticNet` is the same penalty, given by a strength and a ratio.

    Args:
        l1: Float of at least 0, the factor of the absolute values. Defaults to `0.0`.
        l2: Float of at least 0, the factor of the squares. Defaults to `0.0`.

    Raises:
        ValueError: If `l1` or `l2` is not a finite number of at least 0.

    Example:
        >>> from keras import ops
        >>> from kcomponents.regularizers import L1L2
        >>> round(float(L1L2(l1=0.1, l2=0.1)(ops.array([1.0, -2.0]))), 6)
        0.8

    Reference:
        Zou and Hastie, [Regularization and variable selection via the elastic
        net](https://doi.org/10.1111/j.1467-9868.2005.00503.x), 2005.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = number("l1", l1, 0)
        self.l2 = number("l2", l2, 0)

    def __call__(self, x):
        return self.l1 * absolute_sum(x) + self.l2 * square_sum(x)

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}
