"""Orthogonal: a penalty on the cosines between vectors of a weight."""

import keras
from keras import ops

from kcomponents._check import fail, number, one_of
from kcomponents._precision import widened
from kcomponents._register import register


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
