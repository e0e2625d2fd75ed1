"""Regularizers: penalties on weights, and one on activations."""

import keras
from keras import ops

from kcomponents._checks import axis_in, fail, number, one_of, whole_axis
from kcomponents._registration import register
from kcomponents._tensors import widened


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
        return self.l1 * _absolute_sum(x)

    def get_config(self):
        return {"l1": self.l1}


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
        return self.l2 * _square_sum(x)

    def get_config(self):
        return {"l2": self.l2}


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
        return self.l1 * _absolute_sum(x) + self.l2 * _square_sum(x)

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}


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
        lasso, ridge = _absolute_sum(x), _square_sum(x)
        return self.strength * (self.l1_ratio * lasso + (1 - self.l1_ratio) * ridge)

    def get_config(self):
        return {"strength": self.strength, "l1_ratio": self.l1_ratio}


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
        return self.factor * _group_sum(x, self.axis, self.epsilon)

    def get_config(self):
        return {"factor": self.factor, "axis": self.axis, "epsilon": self.epsilon}


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
        single, groups = _absolute_sum(x), _group_sum(x, self.axis, self.epsilon)
        return self.factor * (self.l1_ratio * single + (1 - self.l1_ratio) * groups)

    def get_config(self):
        return {
            "factor": self.factor,
            "l1_ratio": self.l1_ratio,
            "axis": self.axis,
            "epsilon": self.epsilon,
        }


@register
class Orthogonal(keras.regularizers.Regularizer):
    """Regularizer that drives the rows, or the columns, of a weight to orthogonality.

    `penalty = factor * mean over pairs of abs(cosine)`, or of `square(cosine)` with
    `squared=True`, whose gradient vanishes as the vectors become orthogonal. A weight
    of rank above 2 is reshaped to a matrix that keeps its last axis: the columns of a
    convolution's kernel are its filters. The penalty of a single vector is 0, and so
    is the cosine with a vector of zeros.

    Args:
        factor: Float of at least 0, the factor of the penalty. Defaults to `0.01`.
        mode: `"rows"` or `"columns"`. Defaults to `"rows"`, as in
            `keras.regularizers.OrthogonalRegularizer`. The kernel of a convolution has
            many rows; use `"columns"` for its filters.
        squared: Bool, whether to square the cosines. Defaults to `False`.

    Raises:
        ValueError: If an argument is invalid.

    Example:
        >>> from keras import ops
        >>> from kcomponents.regularizers import Orthogonal
        >>> round(float(Orthogonal(0.1)(ops.array([[3.0, 4.0], [1.0, 0.0]]))), 6)
        0.06

    Reference:
        Bansal et al., [Can we gain more from orthogonality regularizations in training
        deep CNNs?](https://arxiv.org/abs/1810.09102), 2018.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows", squared: bool = False):
        self.factor = number("factor", factor, 0)
        self.mode = one_of("mode", mode, ("rows", "columns"))
        if not isinstance(squared, bool):
            fail("`squared` must be a boolean.", squared=squared)
        self.squared = squared

    def __call__(self, x):
        vectors = self._vectors(widened(x))
        # A minimum inside the root keeps the gradient finite at a vector of zeros.
        squares = ops.sum(ops.square(vectors), axis=1, keepdims=True)
        least = keras.config.epsilon() ** 2
        vectors = vectors * ops.rsqrt(ops.maximum(squares, least))
        count = vectors.shape[0]
        cosines = ops.matmul(vectors, ops.transpose(vectors))
        cosines = cosines * (1 - ops.eye(count, dtype=cosines.dtype))
        size = ops.square if self.squared else ops.absolute
        return self.factor * ops.sum(size(cosines)) / max(count * (count - 1), 1)

    def _vectors(self, x):
        if len(x.shape) < 2:
            return ops.reshape(x, (1, -1))
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return matrix if self.mode == "rows" else ops.transpose(matrix)

    def get_config(self):
        return {"factor": self.factor, "mode": self.mode, "squared": self.squared}


@register
class KLSparsity(keras.regularizers.Regularizer):
    """Activity regularizer that keeps the mean activation of each unit at a target.

    `penalty = factor * sum over units of KL(target, mean)`, where `mean` is a unit's
    mean activation over the batch (and over time or space) and `KL(t, m) = t * log(t /
    m) + (1 - t) * log((1 - t) / (1 - m))`. Pass it as the `activity_regularizer` of a
    layer with activations in [0, 1], such as `"sigmoid"`. Means are clipped to
    [`epsilon()`, 1 - `epsilon()`] and have no gradient outside this range.

    Keras divides every activity penalty by the batch size. This penalty is a function
    of means, so it must not be divided again: a direct call returns the penalty times
    the batch size, and `layer.losses` contains the penalty.

    Args:
        factor: Float of at least 0, the factor of the penalty. Defaults to `0.01`.
        target: Float above 0 and below 1, the desired mean activation. Defaults to
            `0.05`.

    Input shape:
        `(batch, ...)`. The last axis numbers the units, unless it is the only axis.

    Raises:
        ValueError: If an argument is out of range, or if the input is a scalar.

    Example:
        >>> import keras
        >>> from kcomponents.regularizers import KLSparsity
        >>> sparsity = KLSparsity(1.0, target=0.1)
        >>> layer = keras.layers.Dense(3, "sigmoid", activity_regularizer=sparsity)
        >>> outputs = layer(keras.ops.zeros((8, 2)))
        >>> loss = keras.ops.convert_to_numpy(layer.losses[0])
        >>> round(float(loss), 4)  # three units at 0.5
        1.1042

    Reference:
        - Lee et al., [Sparse deep belief net model for visual area
          V2](https://papers.nips.cc/paper/3313), 2008.
        - Ng, [Sparse
          autoencoder](https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf),
          2011.
    """

    def __init__(self, factor: float = 0.01, target: float = 0.05):
        self.factor = number("factor", factor, 0)
        self.target = number("target", target, 0, 1, open_low=True)
        if self.target == 1:
            fail("`target` must be below 1.", target=target)

    def __call__(self, x):
        x = widened(x)
        rank = len(x.shape)
        if rank == 0:
            fail("The activations must have a batch axis.", shape=tuple(x.shape))
        mean = ops.mean(x, axis=tuple(range(max(1, rank - 1))))
        mean = ops.clip(mean, keras.config.epsilon(), 1 - keras.config.epsilon())
        on = self.target * ops.log(self.target / mean)
        off = (1 - self.target) * ops.log((1 - self.target) / (1 - mean))
        return self.factor * ops.sum(on + off) * ops.cast(ops.shape(x)[0], x.dtype)

    def get_config(self):
        return {"factor": self.factor, "target": self.target}


def _absolute_sum(x):
    """Return the sum of absolute values."""
    return ops.sum(ops.absolute(widened(x)))


def _square_sum(x):
    """Return the sum of squares."""
    return ops.sum(ops.square(widened(x)))


def _group_sum(x, axis, epsilon):
    """Return the sum of `sqrt(size) * norm` over the slices of `x` along `axis`."""
    x = widened(x)
    axis = axis_in("axis", axis, len(x.shape))
    groups = ops.reshape(ops.moveaxis(x, axis, -1), (-1, x.shape[axis]))
    squares = ops.sum(ops.square(groups), axis=0)
    # The derivative of the root at 0 is infinite, and its product with 0 is NaN. The
    # inner `where` keeps 0 out of the root, the outer one sets the norm to 0.
    nonzero = squares > epsilon
    norms = ops.where(nonzero, ops.sqrt(ops.where(nonzero, squares, 1.0)), 0.0)
    return groups.shape[0] ** 0.5 * ops.sum(norms)
