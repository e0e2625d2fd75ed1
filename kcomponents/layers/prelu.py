"""PReLU: a rectifier whose negative slope is learned, by default one per channel."""

import numbers

import keras
from keras import ops

from kcomponents._check import fail, number
from kcomponents._register import register
from kcomponents.layers import backends
from kcomponents.layers._axes import (
    check_data_format,
    check_shared_axes,
    shared_axes_of,
)


@register
class PReLU(keras.layers.Layer):
    """Rectifier whose negative slope is learned, one slope per channel by default.

    `y = x` where `x > 0`, else `alpha * x`. The gradient at 0 is `alpha`. A slope of
    0 turns `-inf` into 0, as ReLU does.

    With `shared_axes="auto"` only the number of channels must be known: all other
    sizes may vary.

    Args:
        alpha_initializer: Float, the slope to start from, or a Keras initializer.
            Defaults to `0.25`.
        alpha_regularizer: Optional Keras regularizer of the slopes.
        alpha_constraint: Optional Keras constraint on the slopes.
        shared_axes: `"auto"` for one slope per channel; an int or a list of ints, the
            axes along which slopes are shared (negative ones count from the end); or
            `None` for one slope per position. Defaults to `"auto"`.
        data_format: `"channels_last"` or `"channels_first"`: whether `"auto"` takes
            the last axis or axis 1 for the channels. Inputs of rank 2 have them last.
            Defaults to `keras.config.image_data_format()`, as in Keras's convolutions
            of every rank; for sequences from recurrent layers, whose features are
            always last, give `"channels_last"` where that setting differs.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ...)`. Output shape: the same.

    Raises:
        ValueError: If `shared_axes` contains the batch axis or one out of range, or if
            the size of an axis that is not shared is unknown.

    Example:
        >>> from kcomponents.layers import PReLU
        >>> layer = PReLU()
        >>> y = layer(keras.ops.array([[-4.0, 4.0]]))
        >>> keras.ops.convert_to_numpy(y).tolist()
        [[-1.0, 4.0]]

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015,
        https://arxiv.org/abs/1502.01852
    """

    def __init__(
        self,
        alpha_initializer=0.25,
        alpha_regularizer=None,
        alpha_constraint=None,
        shared_axes="auto",
        *,
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(alpha_initializer, numbers.Real):
            start = number("alpha_initializer", alpha_initializer)
            alpha_initializer = keras.initializers.Constant(start)
        self.alpha_initializer = keras.initializers.get(alpha_initializer)
        self.alpha_regularizer = keras.regularizers.get(alpha_regularizer)
        self.alpha_constraint = keras.constraints.get(alpha_constraint)
        self.shared_axes = check_shared_axes(shared_axes)
        self.data_format = check_data_format(data_format)
        self.supports_masking = True

    @classmethod
    def keras_compatible(cls, **kwargs):
        """Return the layer with Keras's defaults: a slope per position, from 0."""
        return cls(**{"alpha_initializer": "zeros", "shared_axes": None, **kwargs})

    def build(self, input_shape):
        rank = len(input_shape)
        shared = shared_axes_of(self.shared_axes, rank, self.data_format)
        if 0 in shared:
            rule = "`shared_axes` must leave out the batch axis, which has no slopes."
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
        # Exporters and forward-mode derivatives know no gradient made by hand.
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
    # Slope 0 must not meet -inf; any finite number gives 0 in its place. A select of
    # the slope instead of the product keeps +inf out of the slope's gradient.
    half = keras.backend.standardize_dtype(x.dtype) == "float16"
    lowest = -65504.0 if half else -3e38
    least = ops.where(ops.equal(alpha, 0), lowest, -float("inf"))
    bounded = ops.maximum(x, ops.cast(least, x.dtype))
    return bounded * ops.where(x > 0, ops.ones_like(alpha), alpha)


# Derived by hand: automatic gradients halve the slope at 0 or need a select, which
# takes longer than all the rest on some backends.
@ops.custom_gradient
def _prelu_in_training(x, alpha):
    def gradient(*args, upstream=None):
        # Some backends hand over the inputs too, for gradients of this gradient.
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
