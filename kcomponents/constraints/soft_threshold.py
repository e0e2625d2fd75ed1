"""SoftThreshold: the exact zeros of an L1 penalty, weight by weight."""

import keras
from keras import ops

from kcomponents._check import number
from kcomponents._register import register


@register
class SoftThreshold(keras.constraints.Constraint):
    """Soft thresholding, which brings small weights to exactly zero.

    `sign(w) * max(0, |w| - threshold)`: each weight comes nearer to zero by the same
    amount, and stops there.

    Keras applies a constraint after each step of the optimizer. With SGD this makes
    the training proximal gradient descent on an L1 penalty `factor * sum(|w|)`, where
    `threshold = learning_rate * factor`. The penalty's own gradient, as in
    `kcomponents.regularizers.L1`, jumps to and fro over zero instead.

    Args:
        threshold: Float above 0, what each weight loses in each step.

    Shapes:
        Weights of any shape; the result has the same.

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

    def __init__(self, threshold):
        self.threshold = number("threshold", threshold, 0, open_low=True)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        return ops.sign(w) * ops.maximum(ops.abs(w) - self.threshold, 0)

    def get_config(self):
        return {"threshold": self.threshold}
