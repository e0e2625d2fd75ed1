"""GradientClip: the identity in the forward pass, clipped gradients in the backward."""

import keras
from keras import ops

from kcomponents._checks import fail, number
from kcomponents._registration import register


@register
class GradientClip(keras.layers.Layer):
    """Return the inputs unchanged, and clip the gradient in the backward pass.

    `clipvalue` clips each entry of the gradient to `[-clipvalue, clipvalue]`;
    `clipnorm` then scales the gradient `g` of each sample by
    `min(1, clipnorm / ||g||)`, with the L2 norm over all axes except the batch. The
    gradient of a sample does not depend on the other samples, nor on how the batch is
    split over devices. If the loss is a mean over the batch, each sample's gradient
    contains the factor `1 / batch size`.

    Inside a recurrent cell the layer bounds the gradient of the state at every time
    step. Clipping in the optimizer comes too late there: a single time step may
    already dominate the gradient of the weights.

    Norms are computed in float32 or wider and do not overflow. Infinite entries become
    `clipvalue`; with `clipnorm` alone they share the norm equally, and the finite
    entries of the sample become 0. NaN stays NaN. With loss scaling
    (`mixed_float16`) the bounds apply to the scaled gradient.

    Args:
        clipnorm: Float above 0, the largest L2 norm of a sample's gradient. Defaults
            to `None`, no bound.
        clipvalue: Float above 0, the largest absolute value of an entry. Defaults to
            `None`, no bound.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ...)`. Output shape: the same as the input.

    Raises:
        ValueError: If both bounds are `None`, or one is not a number above 0.

    Example:
        >>> import keras
        >>> from kcomponents.layers import GradientClip
        >>> from kcomponents.testing import gradient
        >>> clip = GradientClip(clipvalue=1.0)
        >>> [slope] = gradient(lambda x: 5 * keras.ops.sum(clip(x)), [[2.0, 3.0]])
        >>> slope.tolist()
        [[1.0, 1.0]]

    Reference:
        Pascanu, Mikolov, Bengio, [On the difficulty of training recurrent neural
        networks](https://arxiv.org/abs/1211.5063), 2013.
    """

    def __init__(
        self, clipnorm: float | None = None, clipvalue: float | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        if clipnorm is None and clipvalue is None:
            rule = "Pass a bound: `clipnorm`, `clipvalue` or both."
            fail(rule, clipnorm=clipnorm, clipvalue=clipvalue)
        self.clipnorm = _bound("clipnorm", clipnorm)
        self.clipvalue = _bound("clipvalue", clipvalue)
        self.supports_masking = True

    def call(self, inputs):
        @ops.custom_gradient
        def identity(x):
            def gradient(*args, upstream=None):
                return self._clipped(args[0] if upstream is None else upstream)

            return x, gradient

        return identity(inputs)

    def _clipped(self, gradient):
        gradient = ops.convert_to_tensor(gradient)
        if self.clipvalue is not None:
            gradient = ops.clip(gradient, -self.clipvalue, self.clipvalue)
        if self.clipnorm is not None:
            gradient = _clip_norm(gradient, self.clipnorm)
        return gradient

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {"clipnorm": self.clipnorm, "clipvalue": self.clipvalue}
        return {**super().get_config(), **config}


def _bound(name, value):
    return None if value is None else number(name, value, 0, open_low=True)


def _clip_norm(gradient, bound):
    """Scale each sample down to the bound, dividing by its largest entry first."""
    dtype = keras.backend.standardize_dtype(gradient.dtype)
    wide = ops.cast(gradient, "float64" if dtype == "float64" else "float32")
    axes = tuple(range(1, len(gradient.shape)))
    size = ops.max(ops.abs(wide), axes, keepdims=True) if axes else ops.abs(wide)
    infinite = ops.where(ops.isinf(wide), ops.sign(wide), 0)
    # In two steps: some compilers multiply by `1 / size`, which may underflow.
    root = ops.sqrt(ops.maximum(size, 1e-30))
    direction = ops.where(ops.isinf(size), infinite, wide / root / root)
    squares = ops.square(direction)
    squares = ops.sum(squares, axes, keepdims=True) if axes else squares
    # At least 1: an entry of `direction` is 1 or -1, unless all are about 0.
    length = ops.sqrt(ops.maximum(squares, 1))
    scaled = direction * (bound / length)
    return ops.cast(ops.where(size * length > bound, scaled, wide), dtype)
