"""GradientClip: nothing on the way forward, a bound on the gradient on the way back."""

import keras
from keras import ops

from kcomponents._check import fail, number
from kcomponents._register import register


@register
class GradientClip(keras.layers.Layer):
    """Identity whose gradient is clipped on its way back.

    `value` clips each entry of the gradient to `[-value, value]`; `norm` then scales
    the gradient `g` of each sample by `min(1, norm / ||g||)`, with the L2 norm over
    all axes but the batch. What a sample gets does not depend on the others, nor on
    how the batch is split over devices; where the loss is a mean over the batch, each
    sample's gradient carries the factor `1 / batch size`.

    Inside a recurrent cell it bounds the gradient of the state at every step, where
    clipping in the optimizer comes too late: one step may already have drowned the
    others.

    Norms are taken in float32 or wider and do not overflow. Infinite entries become
    `value`, or share `norm` equally while the finite ones of the sample become 0. NaN
    stays NaN. With a loss scale (`mixed_float16`) the gradient arrives multiplied by
    it, and the bounds hold for the product.

    Args:
        norm: Optional float above 0, the greatest L2 norm of a sample's gradient.
        value: Optional float above 0, the greatest size of an entry.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ...)`. Output shape: the same.

    Raises:
        ValueError: If neither bound is given, or one is not a number above 0.

    Example:
        >>> from kcomponents.layers import GradientClip
        >>> from kcomponents.testing import gradient
        >>> clip = GradientClip(value=1.0)
        >>> [slope] = gradient(lambda x: 5 * keras.ops.sum(clip(x)), [[2.0, 3.0]])
        >>> slope.tolist()
        [[1.0, 1.0]]

    Reference: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural
        networks", 2013, https://arxiv.org/abs/1211.5063
    """

    def __init__(self, norm=None, value=None, **kwargs):
        super().__init__(**kwargs)
        if norm is None and value is None:
            fail("Give a bound: `norm`, `value` or both.", norm=norm, value=value)
        self.norm = None if norm is None else number("norm", norm, 0, open_low=True)
        self.value = None if value is None else number("value", value, 0, open_low=True)
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
        if self.value is not None:
            gradient = ops.clip(gradient, -self.value, self.value)
        if self.norm is not None:
            gradient = _clip_norm(gradient, self.norm)
        return gradient

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "norm": self.norm, "value": self.value}


def _clip_norm(gradient, bound):
    """Scale each sample down to the bound, by way of its largest entry."""
    dtype = keras.backend.standardize_dtype(gradient.dtype)
    wide = ops.cast(gradient, "float64" if dtype == "float64" else "float32")
    axes = tuple(range(1, len(gradient.shape)))
    size = ops.max(ops.abs(wide), axes, keepdims=True) if axes else ops.abs(wide)
    infinite = ops.where(ops.isinf(wide), ops.sign(wide), 0)
    # In two steps, since some compilers multiply by `1 / size`, which may vanish.
    root = ops.sqrt(ops.maximum(size, 1e-30))
    direction = ops.where(ops.isinf(size), infinite, wide / root / root)
    squares = ops.square(direction)
    squares = ops.sum(squares, axes, keepdims=True) if axes else squares
    # At least 1, since an entry of `direction` is 1 or -1, unless all are about 0.
    length = ops.sqrt(ops.maximum(squares, 1))
    scaled = direction * (bound / length)
    return ops.cast(ops.where(size * length > bound, scaled, wide), dtype)
