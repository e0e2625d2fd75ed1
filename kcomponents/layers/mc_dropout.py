"""MCDropout: dropout that goes on outside training, for Monte Carlo estimates."""

from kcomponents._register import register
from kcomponents.layers._mc_dropout import BaseMCDropout


@register
class MCDropout(BaseMCDropout):
    """Dropout that stays active in `predict`, to sample from a model's predictions.

    `y = mask * x / (1 - rate)`, with `mask ~ Bernoulli(1 - rate)`, drawn anew at each
    call whatever `training` says. All else in the model behaves as usual: batch
    normalization keeps its averages in `predict`.

    Args:
        rate: Float, the share of the inputs to drop, at least 0 and below 1.
        noise_shape: Optional tuple, the shape of the mask, as in Keras's `Dropout`: 1
            for an axis along which the mask is the same, `None` for the input's size.
        seed: Optional int, for repeatable masks, which also go on from where they
            were when a saved model is loaded.
        active: `"always"`, or `"training"` for dropout in training only, as in
            Keras's `Dropout`. It is also an attribute that can be set; functions that
            Keras has compiled notice at the next `compile`. Defaults to `"always"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ...)`. Output shape: the same.

    Raises:
        ValueError: If `rate` is not in `[0, 1)`, or `active` is unknown.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from kcomponents.layers import MCDropout
        >>> model = keras.Sequential([keras.Input((1000,)), MCDropout(0.5)])
        >>> samples = [model.predict(np.ones((1, 1000)), verbose=0) for _ in range(2)]
        >>> bool((samples[0] != samples[1]).any())
        True

    Reference: Gal, Ghahramani, "Dropout as a Bayesian Approximation", 2016,
        https://arxiv.org/abs/1506.02142
    """
