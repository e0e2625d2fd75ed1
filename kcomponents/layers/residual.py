"""PreActivationResidual: a residual block with an identity bypass."""

from collections.abc import Callable, Sequence

import keras

from kcomponents._check import boolean, fail, number, one_of, positive_int
from kcomponents._register import register
from kcomponents.layers import _residual
from kcomponents.layers._axes import check_data_format

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
        >>> from kcomponents.layers import PreActivationResidual
        >>> block = PreActivationResidual(8, strides=2)
        >>> block(keras.ops.ones((2, 16, 16, 4))).shape == (2, 8, 8, 8)
        True

    Reference: He, Zhang, Ren & Sun, Identity Mappings in Deep Residual Networks, 2016,
    [arXiv:1603.05027](https://arxiv.org/abs/1603.05027), and Deep Residual Learning for
    Image Recognition, 2015, [arXiv:1512.03385](https://arxiv.org/abs/1512.03385), for
    `order="post"`; Huang, Sun, Liu, Sedra & Weinberger, Deep Networks with Stochastic
    Depth, 2016, [arXiv:1603.09382](https://arxiv.org/abs/1603.09382).
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
        self.kernel_size = _residual.sizes("kernel_size", kernel_size)
        self.strides = _residual.sizes("strides", strides)
        # An activation layer stored here would be tracked as a layer of the block.
        self.activation = _residual.plain(activation)
        self.bottleneck = boolean("bottleneck", bottleneck)
        self.normalization = normalization
        if normalization is not None:
            one_of("normalization", normalization, _residual.NORMALIZATIONS)
        self.dropout = number("dropout", dropout, 0, 1)
        self.survival = number("survival", survival, 0, 1, open_low=True)
        self.order = one_of("order", order, ("pre", "post"))
        self.bypass = boolean("bypass", bypass)
        self.dilation_rate = _residual.sizes("dilation_rate", dilation_rate)
        self.data_format = check_data_format(data_format)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.seed = seed
        self.axis = 1 if self.data_format == "channels_first" else -1
        self.supports_masking = _residual.all_one(self.strides)
        if self.bottleneck and self.filters % 4:
            fail("`bottleneck` needs `filters` to be a multiple of 4.", filters=filters)
        if self.survival < 1 and not self.bypass:
            rule = "`survival` below 1 needs `bypass=True`."
            fail(rule, survival=survival, bypass=bypass)

    def build(self, input_shape):
        rank = _residual.spatial_rank(self, input_shape)
        *kernels, projection = _residual.kernels(self, rank)
        branch = kernels[:1]
        for kernel in kernels[1:]:
            branch += [*self._rectifier(), kernel]
        branch[-1:-1] = _residual.dropouts(self, self.dropout)
        *normalizations, activation = self._rectifier()
        moved = not _residual.all_one(self.strides)
        changed = moved or input_shape[self.axis] != self.filters
        shortcut = [projection] if self.bypass and changed else []
        entry, end = [*normalizations, activation], []
        if self.order == "post":
            entry, end = [], [activation]
            branch += normalizations
            shortcut += _residual.normalizations(self) if shortcut else []
        a_sample = (None,) + (1,) * (rank + 1)
        branch += _residual.dropouts(self, 1 - self.survival, a_sample, offset=1)
        self.entry, self.branch, self.shortcut, self.end = entry, branch, shortcut, end
        entered = _residual.build(entry, input_shape)
        _residual.build(shortcut, entered)
        outputs = _residual.build(end, _residual.build(branch, entered))
        if tuple(outputs) != self.compute_output_shape(input_shape):
            rule = '`activation` must keep the channels with `order="post"`.'
            fail(rule, activation=self.activation)

    def _rectifier(self):
        return [*_residual.normalizations(self), _residual.activation(self)]

    def call(self, inputs, training=None):
        entered = _residual.run(self.entry, inputs, training)
        outputs = _residual.run(self.branch, entered, training)
        if self.shortcut:
            outputs = outputs + _residual.run(self.shortcut, entered, training)
        elif self.bypass:
            outputs = outputs + inputs
        return _residual.run(self.end, outputs, training)

    def compute_output_shape(self, input_shape):
        shape = _residual.strided(self, input_shape)
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
