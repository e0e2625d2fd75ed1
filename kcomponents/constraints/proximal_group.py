"""ProximalGroup: exact zeros for whole groups of weights, by soft thresholding."""

import keras
from keras import ops

from kcomponents._check import axis_in, number, whole_axis
from kcomponents._register import register
from kcomponents.constraints._norms import norms_of, rescaled


@register
class ProximalGroup(keras.constraints.Constraint):
    """Group soft thresholding, which sets weak groups of weights to exactly zero.

    `w = w * max(0, norm - threshold) / (epsilon() + norm)`, where `norm` is the norm of
    the weight's group, in float32 or wider. Each index along `axis` is one group, as in
    `kcomponents.regularizers.GroupLasso`: the norm is taken over the other axes.

    Keras applies a constraint after each optimizer step. SGD with this constraint is
    proximal gradient descent on `GroupLasso(factor, axis)`, with
    `threshold = learning_rate * factor * sqrt(size)`, where `size` is the number of
    weights in a group.

    Args:
        threshold: Float above 0, by how much each step reduces the norm of each group.
        axis: Int, the axis that numbers the groups. Defaults to `-1`: a group contains
            the incoming weights of one unit or filter.

    Raises:
        ValueError: If an argument is out of range, or if a weight does not have the
            axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import ProximalGroup
        >>> kernel = ProximalGroup(1.0)(ops.array([[3.0, 0.3], [4.0, 0.4]]))
        >>> print(ops.convert_to_numpy(kernel).round(3))
        [[2.4 0. ]
         [3.2 0. ]]

    Reference:
        - Yuan and Lin, [Model selection and estimation in regression with grouped
          variables](https://doi.org/10.1111/j.1467-9868.2005.00532.x), 2006.
        - Parikh and Boyd, [Proximal
          algorithms](https://web.stanford.edu/~boyd/papers/prox_algs.html), 2014.
    """

    def __init__(self, threshold: float, axis: int = -1):
        self.threshold = number("threshold", threshold, 0, open_low=True)
        self.axis = whole_axis(axis)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        rank = len(w.shape)
        axis = axis_in("axis", self.axis, rank)
        others = [a for a in range(rank) if a != axis]
        norms = norms_of(w, others)
        return rescaled(w, norms, ops.maximum(norms - self.threshold, 0.0))

    def get_config(self):
        return {"threshold": self.threshold, "axis": self.axis}
