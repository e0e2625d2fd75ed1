"""KLSparsity: a penalty on mean activations that differ from a target."""

import keras
from keras import ops

from kcomponents._check import fail, number
from kcomponents._precision import widened
from kcomponents._register import register


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
