"""PreActivationResidual: a residual block with an identity bypass."""

from collections.abc import Callable, Sequence

import keras

from kcomponents import activations
from kcomponents._checks import boolean, fail, number, one_of, positive_int
from kcomponents._registration import register
from kcomponents.initializers.blocks import independent_copies
from kcomponents.layers._shared import checked_data_format

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
NORMALIZATIONS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
}

SETTINGS = (
    *("filters", "kernel_size", "strides", "activation", "bottleneck", "normalization"),
    *("dropout", "survival", "order", "bypass", "dilation_rate", "data_format"),
    *("use_bias", "seed"),
)


@register
class PreActivationResidual(keras.layers.Layer):
    """Residual block with pre-activation: two weight layers and a bypass around them.

    `y = x + w₂(f(n₂(w₁(f(n₁(x))))))` with weight layers `w`, normalization layers `n`
    and an activation `f`. For inputs without spatial axes the weight layers are dense
    layers, otherwise convolutions of the input's rank with `padding="same"`.

    If the number of channels or the spatial size changes, the bypass is a projection of
    `f(n₁(x))` by a `1x1` convolution or a dense layer, as in the authors' code. It is
    not normalized. The strides apply to the first weight layer.

    Args:
        filters: Int, the number of output channels.
        kernel_size: Int or tuple of ints, the size of the kernels. Ignored for dense
            layers. Defaults to `3`.
        strides: Int or tuple of ints. Defaults to `1`.
        activation: Any argument of `kcomponents.activations.get`. Defaults to `"relu"`.
        bottleneck: Bool, whether to use three weight layers: `1x1` to `filters / 4`
            channels, `kernel_size`, and `1x1` to `filters`. Defaults to `False`.
        normalization: `"batch"`, `"layer"` (over the channels) or `None`. Defaults to
            `"batch"`.
        dropout: Float in [0, 1], the dropout rate before the last weight layer.
            Defaults to `0.0`.
        survival: Float above 0 and up to 1, the probability that the branch of a sample
            is kept during training (stochastic depth). Kept branches are divided by it,
            so nothing changes outside training. Defaults to `1.0`.
        order: `"pre"`, or `"post"` for the order of the original residual networks:
            weight layer, normalization, activation, with the last activation after the
            sum and a normalized projection. Defaults to `"pre"`.
        bypass: Bool, whether the block has a bypass. `False` makes a plain block for
            comparison, with the same number of weights if the bypass has no projection.
            Defaults to `True`.
        dilation_rate: Int or tuple of ints, for the kernels of size `kernel_size`.
            Defaults to `1`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        use_bias: Bool, or `None` to use biases only without normalization. Defaults to
            `None`.
        kernel_initializer: Initializer of the kernels, each with its own draw. Defaults
            to `"he_normal"`.
        kernel_regularizer: Regularizer of each kernel. Defaults to `None`.
        kernel_constraint: Constraint on each kernel. Defaults to `None`.
        seed: Int, for reproducible dropout and stochastic depth. Defaults to `None`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ..., channels)`, with up to three spatial axes, or
    `(batch, channels, ...)`. Batch normalization uses a mask of time steps; the kernels
    ignore it. The mask is passed on if the strides are 1.

    Output shape: `(batch, ..., filters)`, with the spatial axes divided by the strides
    and rounded up.

    Raises:
        ValueError: If an argument is out of range or unknown, if `filters` is not a
            multiple of 4 with `bottleneck=True`, if `survival` is below 1 with
            `bypass=False`, or if the strides or the dilation rate of dense layers are
            not 1.

    Example:
        >>> import keras
        >>> from kcomponents.layers import PreActivationResidual
        >>> block = PreActivationResidual(8, strides=2)
        >>> block(keras.ops.ones((2, 16, 16, 4))).shape == (2, 8, 8, 8)
        True

    Reference:
        - He, Zhang, Ren and Sun, [Identity Mappings in Deep Residual
          Networks](https://arxiv.org/abs/1603.05027), 2016.
        - He, Zhang, Ren and Sun, [Deep Residual Learning for Image
          Recognition](https://arxiv.org/abs/1512.03385), 2015, for `order="post"`.
        - Huang, Sun, Liu, Sedra and Weinberger, [Deep Networks with Stochastic
          Depth](https://arxiv.org/abs/1603.09382), 2016.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int] = 3,
        strides: int | Sequence[int] = 1,
        *,
        activation: str | dict | Callable | None = "relu",
        bottleneck: bool = False,
        normalization: str | None = "batch",
        dropout: float = 0.0,
        survival: float = 1.0,
        order: str = "pre",
        bypass: bool = True,
        dilation_rate: int | Sequence[int] = 1,
        data_format: str | None = None,
        use_bias: bool | None = None,
        kernel_initializer: str | dict | keras.initializers.Initializer = "he_normal",
        kernel_regularizer: str | dict | keras.regularizers.Regularizer | None = None,
        kernel_constraint: str | dict | keras.constraints.Constraint | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.kernel_size = _sizes("kernel_size", kernel_size)
        self.strides = _sizes("strides", strides)
        # An activation layer stored here would be tracked as a layer of the block.
        self.activation = _without_layer(activation)
        self.bottleneck = boolean("bottleneck", bottleneck)
        self.normalization = normalization
        if normalization is not None:
            one_of("normalization", normalization, NORMALIZATIONS)
        self.dropout = number("dropout", dropout, 0, 1)
        self.survival = number("survival", survival, 0, 1, open_low=True)
        self.order = one_of("order", order, ("pre", "post"))
        self.bypass = boolean("bypass", bypass)
        self.dilation_rate = _sizes("dilation_rate", dilation_rate)
        self.data_format = checked_data_format(data_format)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.seed = seed
        self.axis = 1 if self.data_format == "channels_first" else -1
        self.supports_masking = _all_one(self.strides)
        if self.bottleneck and self.filters % 4:
            fail("`bottleneck` needs `filters` to be a multiple of 4.", filters=filters)
        if self.survival < 1 and not self.bypass:
            rule = "`survival` below 1 needs `bypass=True`."
            fail(rule, survival=survival, bypass=bypass)

    def build(self, input_shape):
        rank = self._spatial_rank(input_shape)
        *kernels, projection = self._kernels(rank)
        branch = kernels[:1]
        for kernel in kernels[1:]:
            branch += [*self._rectifier(), kernel]
        branch[-1:-1] = self._dropouts(self.dropout)
        *normalizations, activation = self._rectifier()
        moved = not _all_one(self.strides)
        changed = moved or input_shape[self.axis] != self.filters
        shortcut = [projection] if self.bypass and changed else []
        entry, end = [*normalizations, activation], []
        if self.order == "post":
            entry, end = [], [activation]
            branch += normalizations
            shortcut += self._normalizations() if shortcut else []
        a_sample = (None,) + (1,) * (rank + 1)
        branch += self._dropouts(1 - self.survival, a_sample, offset=1)
        self.entry, self.branch, self.shortcut, self.end = entry, branch, shortcut, end
        entered = _build(entry, input_shape)
        _build(shortcut, entered)
        outputs = _build(end, _build(branch, entered))
        if tuple(outputs) != self.compute_output_shape(input_shape):
            rule = '`activation` must keep the channels with `order="post"`.'
            fail(rule, activation=self.activation)

    def _spatial_rank(self, input_shape):
        """Return the number of spatial axes; refuse a wrong shape."""
        rank = len(input_shape) - 2
        if not 0 <= rank <= 3:
            fail("The input must have two to five axes.", input_shape=input_shape)
        if input_shape[self.axis] is None:
            fail("The channels of the input must be known.", input_shape=input_shape)
        given = {"strides": self.strides, "dilation_rate": self.dilation_rate}
        if rank == 0 and not all(map(_all_one, given.values())):
            rule = "`strides` and `dilation_rate` must be 1 without spatial axes."
            fail(rule, **given)
        return rank

    def _kernels(self, rank):
        """Return the weight layers of the branch, then the bypass projection."""
        plan = [(self.filters, self.kernel_size)] * 2
        if self.bottleneck:
            narrow = self.filters // 4
            plan = [(narrow, 1), (narrow, self.kernel_size), (self.filters, 1)]
        plan.append((self.filters, 1))
        initializers = independent_copies(self.kernel_initializer, len(plan))
        strides = [self.strides, *[1] * (len(plan) - 2), self.strides]
        plan = zip(plan, strides, initializers, strict=True)
        return [self._kernel(rank, *size, *rest) for size, *rest in plan]

    def _kernel(self, rank, filters, size, strides, initializer):
        plain = self.normalization is None
        options = {
            "use_bias": plain if self.use_bias is None else self.use_bias,
            "kernel_initializer": initializer,
            "kernel_regularizer": self.kernel_regularizer,
            "kernel_constraint": self.kernel_constraint,
            "dtype": self.dtype_policy,
        }
        if rank == 0:
            return keras.layers.Dense(filters, **options)
        dilation = 1 if size == 1 else self.dilation_rate
        options.update(padding="same", dilation_rate=dilation)
        options.update(data_format=self.data_format)
        layer = CONVOLUTIONS[rank - 1](filters, size, strides, **options)
        # Convolutions of Keras drop masks, even if every time step keeps its place.
        layer.supports_masking = _all_one(strides)
        return layer

    def _rectifier(self):
        """Return new layers: the normalization, if any, and the activation."""
        activation = activations.get(self.activation, as_layer=True)
        activation.dtype_policy = self.dtype_policy
        return [*self._normalizations(), activation]

    def _normalizations(self):
        """Return a list with one normalization layer, or an empty list."""
        if self.normalization is None:
            return []
        make = NORMALIZATIONS[self.normalization]
        return [make(axis=self.axis, dtype=self.dtype_policy)]

    def _dropouts(self, rate, noise_shape=None, offset=0):
        """Return a list with one dropout layer; empty if the rate is 0."""
        # With the same seed, two dropout layers would draw the same masks.
        seed = None if self.seed is None else self.seed + offset
        make = keras.layers.Dropout
        return [make(rate, noise_shape, seed, dtype=self.dtype_policy)] if rate else []

    def call(self, inputs, training=None):
        entered = _run(self.entry, inputs, training)
        outputs = _run(self.branch, entered, training)
        if self.shortcut:
            outputs = outputs + _run(self.shortcut, entered, training)
        elif self.bypass:
            outputs = outputs + inputs
        return _run(self.end, outputs, training)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        axes = [a for a in range(1, len(shape)) if a != self.axis % len(shape)]
        strides = self.strides
        if not isinstance(strides, tuple):
            strides = (strides,) * len(axes)
        for axis, stride in zip(axes, strides, strict=True):
            shape[axis] = shape[axis] and -(-shape[axis] // stride)
        shape[self.axis] = self.filters
        return tuple(shape)

    def get_config(self):
        config = {name: getattr(self, name) for name in SETTINGS}
        if callable(self.activation):
            config["activation"] = keras.activations.serialize(self.activation)
        for kind in ("initializer", "regularizer", "constraint"):
            serialize = getattr(keras, f"{kind}s").serialize
            config[f"kernel_{kind}"] = serialize(getattr(self, f"kernel_{kind}"))
        return {**super().get_config(), **config}


def _sizes(name, value):
    """Return one size for all spatial axes, or a tuple with one size per axis."""
    if isinstance(value, (list, tuple)):
        return tuple(positive_int(name, size) for size in value)
    return positive_int(name, value)


def _all_one(value):
    """Return whether a size, or each size of a tuple, is 1."""
    return value == 1 or (isinstance(value, tuple) and set(value) == {1})


def _without_layer(identifier):
    """Return the config of an activation layer; return anything else unchanged."""
    if not isinstance(identifier, keras.layers.Layer):
        return identifier
    config = keras.saving.serialize_keras_object(identifier)
    # Copies with the same name would have weights with the same path.
    config["config"].pop("name", None)
    return config


def _build(chain, shape):
    """Build layers in sequence and return the output shape of the last."""
    for layer in chain:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


def _run(chain, outputs, training):
    """Call layers in sequence."""
    for layer in chain:
        outputs = layer(outputs, training=training)
    return outputs
