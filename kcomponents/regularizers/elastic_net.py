"""ElasticNet: an L1 and L2 penalty, given by a strength and a ratio."""

import keras

from kcomponents._check import number
from kcomponents._register import register
from kcomponents.regularizers._sums import absolute_sum, square_sum


@register
class ElasticNet(keras.regularizers.Regularizer):
    """Regularizer that mixes an L1 and an L2 penalty, by a strength and a ratio.

    `penalty = strength * (l1_ratio * sum(abs(x)) + (1 - l1_ratio) * sum(square(x)))`,
    summed in float32 or wider. It equals
    `L1L2(l1=strength * l1_ratio, l2=strength * (1 - l1_ratio))`, but is easier to tune:
    the strength and the ratio can be searched independently. Unlike in scikit-learn,
    the squares are not halved.

    Args:
        strength: Float of at least 0, the factor of the whole penalty.
        l1_ratio: Float in [0, 1], the fraction of the L1 penalty. Defaults to `0.5`.

    Raises:
        ValueError: If an argument is not a finite number in its range.

    Example:
        >>> from keras import ops
        >>> from kcomponents.regularizers import ElasticNet
        >>> round(float(ElasticNet(0.2, l1_ratio=0.5)(ops.array([1.0, -2.0]))), 6)
        0.8

    Reference:
        Zou and Hastie, [Regularization and variable selection via the elastic
        net](https://doi.org/10.1111/j.1467-9868.2005.00503.x), 2005.
    """

    def __init__(self, strength: float, l1_ratio: float = 0.5):
        self.strength = number("strength", strength, 0)
        self.l1_ratio = number("l1_ratio", l1_ratio, 0, 1)

    def __call__(self, x):
        lasso, ridge = absolute_sum(x), square_sum(x)
        return self.strength * (self.l1_ratio * lasso + (1 - self.l1_ratio) * ridge)

    def get_config(self):
        return {"strength": self.strength, "l1_ratio": self.l1_ratio}
