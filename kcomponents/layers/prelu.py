"""PReLU: a leaky ReLU with learned slopes, by default one per channel."""

import numbers
from collections.abc import Sequence

import keras
from keras import ops

from kcomponents._checks import fail, number
from kcomponents._registration import register
from kcomponents.layers import backends
from kcomponents.layers._shared import (
    checked_data_format,
    checked_shared_axes,
    positive_axes,
)


@register
class PReLU(keras.layers.Layer):
    """Leaky ReLU whose negative slope is learned, one slope per channel by default.

    `y = x` where `x > 0`, else `alpha * x`. The gradient at 0 is `alpha`. With
    `alpha = 0`, an input of `-inf` gives 0, as in ReLU.

    With `shared_axes="auto"` only the number of channels must be known; all other sizes
    may vary.

    Args:
        alpha_initializer: Float, the initial slope, or a Keras initializer. Defaults to
            `0.25`.
        alpha_regularizer: Keras regularizer of the slopes. Defaults to `None`.
        alpha_constraint: Keras constraint on the slopes. Defaults to `None`.
        shared_axes: `"auto"` for one slope per channel; an int or a list of ints, the
            axes along which slopes are shared (negative ones count from the end); or
            `None` for one slope per position. Defaults to `"auto"`.
        data_format: `"channels_last"` or `"channels_first"`, which decides whether the
            last axis or axis 1 contains the channels for `"auto"`. In inputs of rank 2
            it is always the last axis. Defaults to `keras.config.image_data_format()`,
            as in Keras's convolutions of every rank. The features of recurrent layers
            are always last: if the setting is `"channels_first"`, pass
            `"channels_last"` for sequences.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ...)`. Output shape: the same as the input.

    Raises:
        ValueError: If `shared_axes` contains the batch axis or an axis out of range, or
            if the size of an axis that is not shared is unknown.

    Example:
        >>> import keras
        >>> from kcomponents.layers import PReLU
        >>> layer = PReLU()
        >>> y = layer(keras.ops.array([[-4.0, 4.0]]))
        >>> keras.ops.convert_to_numpy(y).tolist()
        [[-1.0, 4.0]]

    Reference:
        He, Zhang, Ren, Sun, [Delving Deep into
        Rectifiers](https://arxiv.org/abs/1502.01852), 2015.
    """

    def __init__(
        self,
        alpha_initializer: float | str | dict | keras.initializers.Initializer = 0.25,
        alpha_regularizer: str | dict | keras.regularizers.Regularizer | None = None,
        alpha_constraint: str | dict | keras.constraints.Constraint | None = None,
        shared_axes: str | int | Sequence[int] | None = "auto",
        *,
        data_format: str | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(alpha_initializer, numbers.Real):
            start = number("alpha_initializer", alpha_initializer)
            alpha_initializer = keras.initializers.Constant(start)
        self.alpha_initializer = keras.initializers.get(alpha_initializer)
        self.alpha_regularizer = keras.regularizers.get(alpha_regularizer)
        self.alpha_constraint = keras.constraints.get(alpha_constraint)
        self.shared_axes = checked_shared_axes(shared_axes)
        self.data_format = checked_data_format(data_format)
        self.supports_masking = True

    @classmethod
    def keras_compatible(cls, **kwargs) -> "PReLU":
        """Return a layer with Keras's defaults: one slope per position, initially 0.

        Args:
            **kwargs: Arguments of `PReLU`, which override these defaults.

        Returns:
            `PReLU` layer.
        """
        return cls(**{"alpha_initializer": "zeros", "shared_axes": None, **kwargs})

    def build(self, input_shape):
        rank = len(input_shape)
        shared = positive_axes(self.shared_axes, rank, self.data_format)
        if 0 in shared:
            rule = "`shared_axes` must not contain the batch axis."
            fail(rule, shared_axes=self.shared_axes)
        own = {axis: input_shape[axis] for axis in range(1, rank) if axis not in shared}
        if None in own.values():
            fail(
                "PReLU needs the size of every axis that is not in `shared_axes`. "
                "Share the axes of unknown size, or use `shared_axes='auto'`.",
                input_shape=input_shape,
                shared_axes=self.shared_axes,
            )
        self.alpha = self.add_weight(
            shape=[own.get(axis, 1) for axis in range(1, rank)],
            name="alpha",
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        self.input_spec = keras.InputSpec(ndim=rank, axes=own)

    def call(self, inputs, training=False):
        dtype = self.compute_dtype
        x, alpha = ops.cast(inputs, dtype), ops.cast(self.alpha, dtype)
        # Exporters and forward-mode derivatives do not support custom gradients.
        by_hand = training and backends.GRADIENTS_BY_HAND
        return _prelu_in_training(x, alpha) if by_hand else _prelu(x, alpha)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {
            "alpha_initializer": keras.initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": keras.regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": keras.constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **config}


def _prelu(x, alpha):
    # `0 * -inf` would be NaN, so slope 0 gets a finite input. Selecting the slope, not
    # the product, keeps +inf out of the gradient of the slope.
    half = keras.backend.standardize_dtype(x.dtype) == "float16"
    lowest = -65504.0 if half else -3e38
    least = ops.where(ops.equal(alpha, 0), lowest, -float("inf"))
    bounded = ops.maximum(x, ops.cast(least, x.dtype))
    return bounded * ops.where(x > 0, ops.ones_like(alpha), alpha)


# The gradient is written by hand: automatic gradients halve the slope at 0, or need a
# select, which on some backends takes longer than everything else.
@ops.custom_gradient
def _prelu_in_training(x, alpha):
    def gradient(*args, upstream=None):
        # Some backends also pass the inputs, for second derivatives.
        (given,), inputs = (
            (args, (x, alpha)) if upstream is None else ((upstream,), args)
        )
        return _gradient(given, *inputs)

    least = ops.where(ops.equal(alpha, 0), -1.0, -float("inf"))
    negative = ops.clip(x, ops.cast(least, x.dtype), 0)
    return ops.relu(x) + alpha * negative, gradient


def _gradient(upstream, x, alpha):
    slope = alpha + (1 - alpha) * ops.cast(x > 0, x.dtype)
    shared = [axis + 1 for axis, size in enumerate(alpha.shape) if size == 1]
    by_alpha = ops.sum(upstream * ops.minimum(x, 0), axis=(0, *shared))
    return upstream * slope, ops.reshape(by_alpha, alpha.shape)
