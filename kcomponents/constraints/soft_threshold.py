"""SoftThreshold: exact zeros for single weights, the effect of an L1 penalty."""

import keras
from keras import ops

from kcomponents._check import number
from kcomponents._register import register


@register
class SoftThreshold(keras.constraints.Constraint):
    """Soft thresholding, which sets small weights to exactly zero.

    `w = sign(w) * max(0, |w| - threshold)`: each step moves every weight toward zero by
    the same amount, and weights that reach zero stay there.

    Keras applies a constraint after each optimizer step. SGD with this constraint is
    proximal gradient descent on an L1 penalty `factor * sum(|w|)`, with
    `threshold = learning_rate * factor`. With the gradient of the penalty instead, as
    in `kcomponents.regularizers.L1`, weights oscillate around zero.

    Args:
        threshold: Float above 0, by how much each step reduces the absolute value of
            each weight.

    Shapes:
        Weights of any shape; the result has the same shape.

    Raises:
        ValueError: If `threshold` is not a number above 0.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import SoftThreshold
        >>> kernel = SoftThreshold(0.5)(ops.array([[2.0, -0.75], [0.25, -0.5]]))
        >>> print(ops.convert_to_numpy(kernel) + 0)
        [[ 1.5  -0.25]
         [ 0.    0.  ]]

    Reference:
        - Tibshirani, [Regression shrinkage and selection via the
          lasso](https://doi.org/10.1111/j.2517-6161.1996.tb02080.x), 1996.
        - Parikh and Boyd, [Proximal
          algorithms](https://web.stanford.edu/~boyd/papers/prox_algs.html), section
          6.5.2, 2014.
    """

    def __init__(self, threshold: float):
        self.threshold = number("threshold", threshold, 0, open_low=True)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        return ops.sign(w) * ops.maximum(ops.abs(w) - self.threshold, 0)

    def get_config(self):
        return {"threshold": self.threshold}
