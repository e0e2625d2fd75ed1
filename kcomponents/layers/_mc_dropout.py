"""Base classes of the Monte Carlo dropout layers."""

from collections.abc import Sequence

import keras

from kcomponents._check import fail, number, one_of
from kcomponents.layers._axes import check_data_format
from kcomponents.layers._seed import SavesSeed


class BaseMCDropout(SavesSeed, keras.layers.Dropout):
    """Dropout that can be active also if `training` is false."""

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


class BaseMCSpatialDropout(BaseMCDropout):
    """Dropout with one mask value per sample and channel, for all positions."""

    positions = None

    def __init__(self, rate, data_format, seed, **kwargs):
        data_format = check_data_format(data_format)
        ones = (1,) * self.positions
        first = data_format == "channels_first"
        noise_shape = (None, None, *ones) if first else (None, *ones, None)
        super().__init__(rate, noise_shape, seed, **kwargs)
        self.data_format = data_format
        self.input_spec = keras.InputSpec(ndim=len(noise_shape))

    def get_config(self):
        config = {**super().get_config(), "data_format": self.data_format}
        del config["noise_shape"]
        return config
