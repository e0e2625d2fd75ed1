"""MCSpatialDropout3D: drop whole channels of volumes, also in `predict`."""

from kcomponents._register import register
from kcomponents.layers._mc_dropout import BaseMCSpatialDropout


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

    Reference: Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization
        Using Convolutional Networks", 2015, https://arxiv.org/abs/1411.4280
    """

    positions = 3

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        *,
        active: str = "always",
        **kwargs,
    ):
        super().__init__(rate, data_format, seed, active=active, **kwargs)
