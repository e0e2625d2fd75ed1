"""Dropout layers that stay active in `predict`, for Monte Carlo estimates."""

from collections.abc import Sequence

import keras

from kcomponents._checks import fail, number, one_of
from kcomponents._registration import register
from kcomponents.layers._shared import SeedState, checked_data_format


@register
class MCDropout(SeedState, keras.layers.Dropout):
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

    Reference:
        Gal, Ghahramani, [Dropout as a Bayesian
        Approximation](https://arxiv.org/abs/1506.02142), 2016.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        *,
        active: str = "always",
        **kwargs,
    ):
        super().__init__(number("rate", rate), noise_shape, seed, **kwargs)
        if rate == 1:
            fail("`rate` must be below 1.", rate=rate)
        self.active = active

    @property
    def active(self) -> str:
        """When dropout is active: "always" or "training"."""
        return self._active

    @active.setter
    def active(self, active: str) -> None:
        self._active = one_of("active", active, ["always", "training"])

    def call(self, inputs, training=False):
        # Functional models override `training`, even if the layer's call fixed it.
        if not self.rate or not (training or self.active == "always"):
            return inputs
        return keras.random.dropout(
            inputs, self.rate, self.noise_shape, self.seed_generator
        )

    def get_config(self):
        return {**super().get_config(), "active": self.active}


class BaseMCSpatialDropout(MCDropout):
    """Base class of dropout with one mask value per sample and channel."""

    spatial_axes = None

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        *,
        active: str = "always",
        **kwargs,
    ):
        data_format = checked_data_format(data_format)
        ones = (1,) * self.spatial_axes
        first = data_format == "channels_first"
        noise_shape = (None, None, *ones) if first else (None, *ones, None)
        super().__init__(rate, noise_shape, seed, active=active, **kwargs)
        self.data_format = data_format
        self.input_spec = keras.InputSpec(ndim=len(noise_shape))

    def get_config(self):
        config = {**super().get_config(), "data_format": self.data_format}
        del config["noise_shape"]
        return config


@register
class MCSpatialDropout1D(BaseMCSpatialDropout):
    """Dropout of whole channels of sequences that stays active in `predict`.

    `y = mask * x / (1 - rate)`, where `mask ~ Bernoulli(1 - rate)` is drawn at each
    call, one value per sample and channel. See `MCDropout`.

    Args:
        rate: Float of at least 0 and below 1, the fraction of the channels to drop.
        seed: Int, for reproducible masks. Defaults to `None`.
        active: `"always"`, or `"training"` for dropout during training only. Defaults
            to `"always"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, steps, channels)`.
    Output shape: the same as the input.

    Raises:
        ValueError: If `rate` is not in `[0, 1)`, or `active` is unknown.

    Example:
        >>> import keras
        >>> from kcomponents.layers import MCSpatialDropout1D
        >>> layer = MCSpatialDropout1D(0.5)
        >>> layer(keras.ops.ones((2, 3, 4))).shape == (2, 3, 4)
        True

    Reference:
        Tompson, Goroshin, Jain, LeCun, Bregler, [Efficient Object Localization Using
        Convolutional Networks](https://arxiv.org/abs/1411.4280), 2015.
    """

    spatial_axes = 1

    def __init__(
        self, rate: float, seed: int | None = None, *, active: str = "always", **kwargs
    ):
        super().__init__(rate, "channels_last", seed, active=active, **kwargs)

    def get_config(self):
        config = super().get_config()
        del config["data_format"]
        return config


@register
class MCSpatialDropout2D(BaseMCSpatialDropout):
    """Dropout of whole channels of images that stays active in `predict`.

    `y = mask * x / (1 - rate)`, where `mask ~ Bernoulli(1 - rate)` is drawn at each
    call, one value per sample and channel. See `MCDropout`.

    Args:
        rate: Float of at least 0 and below 1, the fraction of the channels to drop.
        data_format: `"channels_last"` for inputs `(batch, height, width, channels)` or
            `"channels_first"` for `(batch, channels, height, width)`. Defaults to
            `keras.config.image_data_format()`.
        seed: Int, for reproducible masks. Defaults to `None`.
        active: `"always"`, or `"training"` for dropout during training only. Defaults
            to `"always"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, height, width, channels)`, or with the channels first.
    Output shape: the same as the input.

    Raises:
        ValueError: If `rate` is not in `[0, 1)`, or if `data_format` or `active` is
            unknown.

    Example:
        >>> import keras
        >>> from kcomponents.layers import MCSpatialDropout2D
        >>> layer = MCSpatialDropout2D(0.5)
        >>> layer(keras.ops.ones((2, 3, 3, 4))).shape == (2, 3, 3, 4)
        True

    Reference:
        Tompson, Goroshin, Jain, LeCun, Bregler, [Efficient Object Localization Using
        Convolutional Networks](https://arxiv.org/abs/1411.4280), 2015.
    """

    spatial_axes = 2


@register
class MCSpatialDropout3D(BaseMCSpatialDropout):
    """Dropout of whole channels of volumes that stays active in `predict`.

    `y = mask * x / (1 - rate)`, where `mask ~ Bernoulli(1 - rate)` is drawn at each
    call, one value per sample and channel. See `MCDropout`.

    Args:
        rate: Float of at least 0 and below 1, the fraction of the channels to drop.
        data_format: `"channels_last"` for inputs `(batch, depth, height, width,
            channels)` or `"channels_first"` for `(batch, channels, depth, height,
            width)`. Defaults to `keras.config.image_data_format()`.
        seed: Int, for reproducible masks. Defaults to `None`.
        active: `"always"`, or `"training"` for dropout during training only. Defaults
            to `"always"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, depth, height, width, channels)`, or with the channels first.
    Output shape: the same as the input.

    Raises:
        ValueError: If `rate` is not in `[0, 1)`, or if `data_format` or `active` is
            unknown.

    Example:
        >>> import keras
        >>> from kcomponents.layers import MCSpatialDropout3D
        >>> layer = MCSpatialDropout3D(0.5)
        >>> layer(keras.ops.ones((2, 3, 3, 3, 4))).shape == (2, 3, 3, 3, 4)
        True

    Reference:
        Tompson, Goroshin, Jain, LeCun, Bregler, [Efficient Object Localization Using
        Convolutional Networks](https://arxiv.org/abs/1411.4280), 2015.
    """

    spatial_axes = 3
