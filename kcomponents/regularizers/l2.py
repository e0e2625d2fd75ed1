"""L2: a penalty on the sum of squares."""

import keras

from kcomponents._check import number
from kcomponents._register import register
from kcomponents.regularizers._sums import square_sum


@register
class L2(keras.regularizers.Regularizer):
    """Regularizer on the squares of a weight, which keeps entries small.

    `penalty = l2 * sum(square(x))`, summed in float32 or wider, because the
    squares of float16 weights could overflow.

    Args:
        l2: Float of at least 0, the factor of the penalty. Defaults to `0.01`.

    Raises:
        ValueError: If `l2` is not a finite number of at least 0.

    Example:
        >>> from keras import ops
        >>> from kcomponents.regularizers import L2
        >>> round(float(L2(0.1)(ops.array([1.0, -2.0]))), 6)
        0.5

    Reference:
        Krogh and Hertz, [A simple weight decay can improve
        generalization](https://papers.nips.cc/paper/563), 1991.
    """

    def __init__(self, l2: float = 0.01):
        self.l2 = number("l2", l2, 0)

    def __call__(self, x):
        return self.l2 * square_sum(x)

    def get_config(self):
        return {"l2": self.l2}
