"""RReLU: a leaky ReLU whose negative slope is random during training."""

from collections.abc import Sequence

import keras

from kcomponents import activations
from kcomponents._checks import interval, one_of
from kcomponents._registration import register
from kcomponents.layers._shared import (
    SeedState,
    checked_data_format,
    checked_shared_axes,
    positive_axes,
)


@register
class RReLU(SeedState, keras.layers.Layer):
    """Leaky ReLU whose negative slope is random during training.

    `y = x` where `x > 0`, else `slope * x`, with `slope ~ Uniform(lower, upper)` during
    training and `slope = (lower + upper) / 2` otherwise.

    The layer has its own random state, which is saved with the model. Drawing one slope
    per entry takes as long as drawing the mask of a dropout layer; with
    `shared_axes="auto"` far fewer slopes are drawn.

    Args:
        lower: Float of at least 0, the smallest slope. Defaults to `1 / 8`.
        upper: Float of at least `lower`, the largest slope. Defaults to `1 / 3`.
        seed: Int, for reproducible slopes. Defaults to `None`.
        shared_axes: The axes that share one random slope: an int or a list of ints
            (negative ones count from the end; 0 is the batch axis), `"auto"` for one
            slope per sample and channel, or `None` for one slope per entry. Defaults to
            `None`.
        inference: `"mean"`, or `"sample"` to draw random slopes outside training too,
            for Monte Carlo estimates of uncertainty. Defaults to `"mean"`.
        data_format: `"channels_last"` or `"channels_first"`, which decides whether the
            last axis or axis 1 contains the channels for `"auto"`. In inputs of rank 2
            it is always the last axis. Defaults to `keras.config.image_data_format()`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ...)`. Output shape: the same as the input.

    Raises:
        ValueError: If `0 <= lower <= upper` does not hold, or if `shared_axes` or
            `inference` is invalid.

    Example:
        >>> import keras
        >>> from kcomponents.layers import RReLU
        >>> layer = RReLU(0.25, 0.75)
        >>> y = layer(keras.ops.array([[-4.0, 4.0]]))
        >>> keras.ops.convert_to_numpy(y).tolist()
        [[-2.0, 4.0]]

    Reference:
        Xu, Wang, Chen, Li, [Empirical Evaluation of Rectified Activations in
        Convolutional Network](https://arxiv.org/abs/1505.00853), 2015.
    """

    def __init__(
        self,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        seed: int | None = None,
        *,
        shared_axes: str | int | Sequence[int] | None = None,
        inference: str = "mean",
        data_format: str | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.lower, self.upper = interval(lower, upper)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.shared_axes = checked_shared_axes(shared_axes)
        self.inference = one_of("inference", inference, ["mean", "sample"])
        self.data_format = checked_data_format(data_format)
        self.supports_masking = True

    def build(self, input_shape):
        rank = len(input_shape)
        shared = positive_axes(self.shared_axes, rank, self.data_format)
        self.noise_shape = [1 if axis in shared else None for axis in range(rank)]
        self.input_spec = keras.InputSpec(ndim=rank)

    def call(self, inputs, training=False):
        return activations.rrelu(
            inputs,
            self.lower,
            self.upper,
            training=training or self.inference == "sample",
            seed=self.seed_generator,
            noise_shape=self.noise_shape,
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {
            "lower": self.lower,
            "upper": self.upper,
            "seed": self.seed,
            "shared_axes": self.shared_axes,
            "inference": self.inference,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **config}
