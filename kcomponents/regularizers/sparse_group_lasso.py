"""SparseGroupLasso: a penalty for few groups, and few weights within them."""

import keras

from kcomponents._check import number, whole_axis
from kcomponents._register import register
from kcomponents.regularizers._sums import absolute_sum, group_sum


@register
class SparseGroupLasso(keras.regularizers.Regularizer):
    """Regularizer on groups and on single weights, for sparsity at both levels.

    `penalty = factor * (l1_ratio * sum(abs(x)) + (1 - l1_ratio) * groups)`, where
    `groups` is the sum over groups of `sqrt(size) * norm(group)` and each index along
    `axis` is one group, as in `GroupLasso`. The gradient is finite everywhere.

    Args:
        factor: Float of at least 0, the factor of the penalty. Defaults to `0.01`.
        l1_ratio: Float in [0, 1], the fraction of the L1 penalty. Defaults to `0.5`.
        axis: Int, the axis that numbers the groups. Defaults to `-1`.
        epsilon: Float of at least 0. A group whose sum of squares is not above it
            counts as zero. Defaults to `1e-12`.

    Raises:
        ValueError: If an argument is out of range, or if a weight does not have the
            axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.regularizers import SparseGroupLasso
        >>> kernel = ops.array([[3.0, 0.0], [4.0, 0.0]])
        >>> round(float(SparseGroupLasso(0.1, l1_ratio=0.5)(kernel)), 4)
        0.7036

    Reference:
        - Simon et al., [A sparse-group
          lasso](https://doi.org/10.1080/10618600.2012.681250), 2013.
        - Scardapane et al., [Group sparse regularization for deep neural
          networks](https://arxiv.org/abs/1607.00485), 2017.
    """

    def __init__(
        self,
        factor: float = 0.01,
        l1_ratio: float = 0.5,
        axis: int = -1,
        epsilon: float = 1e-12,
    ):
        self.factor = number("factor", factor, 0)
        self.l1_ratio = number("l1_ratio", l1_ratio, 0, 1)
        self.axis = whole_axis(axis)
        self.epsilon = number("epsilon", epsilon, 0)

    def __call__(self, x):
        single, groups = absolute_sum(x), group_sum(x, self.axis, self.epsilon)
        return self.factor * (self.l1_ratio * single + (1 - self.l1_ratio) * groups)

    def get_config(self):
        return {
            "factor": self.factor,
            "l1_ratio": self.l1_ratio,
            "axis": self.axis,
            "epsilon": self.epsilon,
        }
