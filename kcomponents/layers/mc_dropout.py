"""MCDropout: dropout that is active also in `predict`, for Monte Carlo estimates."""

from kcomponents._register import register
from kcomponents.layers._mc_dropout import BaseMCDropout


@register
class MCDropout(BaseMCDropout):
    """Dropout that stays active in `predict`, to sample from a model's predictions.

    `y = mask * x / (1 - rate)`, where `mask ~ Bernoulli(1 - rate)` is drawn at each
    call, whatever the value of `training`. Other layers behave as usual: batch
    normalization uses its moving averages in `predict`.

    Args:
        rate: Float of at least 0 and below 1, the fraction of the inputs to drop.
        noise_shape: Tuple, the shape of the mask, as in Keras's `Dropout`: 1 for an
            axis that shares one mask value, `None` for the input's size. Defaults to
            `None`: one mask value per input.
        seed: Int, for reproducible masks. The random state is saved with the model.
            Defaults to `None`.
        active: `"always"`, or `"training"` for dropout during training only, as in
            Keras's `Dropout`. The attribute `active` can be changed later; a compiled
            model uses the new value after the next `compile`. Defaults to `"always"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ...)`. Output shape: the same as the input.

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
