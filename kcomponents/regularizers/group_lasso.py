"""GroupLasso: norms of groups of weights as a penalty."""

import keras

from kcomponents._check import number, whole_axis
from kcomponents._register import register
from kcomponents.regularizers._sums import group_sum


@register
class GroupLasso(keras.regularizers.Regularizer):
    """Penalty on the norms of groups of weights, which drives whole groups to zero.

    `penalty = factor * sum over groups of sqrt(size) * norm(group)`, where each index
    along `axis` is one group and `size` is the number of weights in it. With
    `axis=-1` a group holds what one unit or filter reads, with `axis=0` on a `Dense`
    kernel what one input feature feeds.

    The gradient is finite everywhere, and zero for a group at zero. A gradient step
    brings a group near zero, not to it; `kcomponents.constraints.ProximalGroup` gives
    exact zeros.

    Args:
        factor: Float, at least 0. Defaults to `0.01`.
        axis: Int, axis that numbers the groups. Defaults to `-1`.
        epsilon: Float, at least 0: groups whose sum of squares is not above it count
            as zero. Defaults to `1e-12`.

    Raises:
        ValueError: If an argument is not as above, or if a weight lacks the axis.

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

    def __init__(self, factor=0.01, axis=-1, epsilon=1e-12):
        self.factor = number("factor", factor, 0)
        self.axis = whole_axis(axis)
        self.epsilon = number("epsilon", epsilon, 0)

    def __call__(self, x):
        return self.factor * group_sum(x, self.axis, self.epsilon)

    def get_config(self):
        return {"factor": self.factor, "axis": self.axis, "epsilon": self.epsilon}
