"""GroupLasso: a penalty on the norms of groups of weights."""

import keras

from kcomponents._check import number, whole_axis
from kcomponents._register import register
from kcomponents.regularizers._sums import group_sum


@register
class GroupLasso(keras.regularizers.Regularizer):
    """Regularizer on the norms of groups of weights; drives whole groups to zero.

    `penalty = factor * sum over groups of sqrt(size) * norm(group)`, where each index
    along `axis` is one group and `size` is the number of weights in it. With
    `axis=-1` a group contains the incoming weights of one unit or filter; with `axis=0`
    on a `Dense` kernel it contains the weights of one input feature.

    The gradient is finite everywhere, and zero for a group at zero. Gradient steps
    bring a group close to zero, but not exactly to zero; for exact zeros use
    `kcomponents.constraints.ProximalGroup`.

    Args:
        factor: Float of at least 0, the factor of the penalty. Defaults to `0.01`.
        axis: Int, the axis that numbers the groups. Defaults to `-1`.
        epsilon: Float of at least 0. A group whose sum of squares is not above it
            counts as zero. Defaults to `1e-12`.

    Raises:
        ValueError: If an argument is out of range, or if a weight does not have the
            axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.regularizers import GroupLasso
        >>> kernel = ops.array([[3.0, 0.0], [4.0, 0.0]])
        >>> round(float(GroupLasso(0.1)(kernel)), 4)  # 0.1 * sqrt(2) * (5 + 0)
        0.7071

    Reference:
        - Yuan and Lin, [Model selection and estimation in regression with grouped
          variables](https://doi.org/10.1111/j.1467-9868.2005.00532.x), 2006.
        - Scardapane et al., [Group sparse regularization for deep neural
          networks](https://arxiv.org/abs/1607.00485), 2017.
    """

    def __init__(self, factor: float = 0.01, axis: int = -1, epsilon: float = 1e-12):
        self.factor = number("factor", factor, 0)
        self.axis = whole_axis(axis)
        self.epsilon = number("epsilon", epsilon, 0)

    def __call__(self, x):
        return self.factor * group_sum(x, self.axis, self.epsilon)

    def get_config(self):
        return {"factor": self.factor, "axis": self.axis, "epsilon": self.epsilon}
