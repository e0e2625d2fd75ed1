"""PreActivationResidual: a block whose bypass carries signal and gradient unchanged."""

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
    """Residual block: two weight layers and a bypass around them.

    `y = x + w₂(f(n₂(w₁(f(n₁(x))))))` with weight layers `w`, normalizations `n` and an
    activation `f`, each a fresh one. Inputs without spatial axes get dense layers,
    others convolutions of their rank with `padding="same"`.

    Where the channels or strides change, the bypass is a `1x1` convolution or dense
    layer of `f(n₁(x))`, as in the authors' code; it is not normalized. The first weight
    layer takes the strides.

    Args:
        filters: Int, channels of the output.
        kernel_size: Int or tuple of ints. Of no account for dense layers. Defaults to
            `3`.
        strides: Int or tuple of ints. Defaults to `1`.
        activation: Anything that `kcomponents.activations.get` takes. Defaults to
            `"relu"`.
        bottleneck: Bool, whether to have three weight layers, `1x1` to `filters / 4`
            channels, `kernel_size`, and `1x1` to `filters`. Defaults to `False`.
        normalization: `"batch"`, `"layer"` (over the channels) or `None`. Defaults to
            `"batch"`.
        dropout: Float, the rate of dropout before the last weight layer. Defaults to
            `0.0`.
        survival: Float, the probability that the branch of a sample is kept in training
            (stochastic depth). Kept ones are divided by it, so that nothing changes
            outside training. Defaults to `1.0`.
        order: `"pre"`, or `"post"` for the order of the first residual networks: weight
            layer, normalization, activation, the last activation after the sum and a
            normalized projection. Defaults to `"pre"`.
        bypass: Bool. Without it the block is a piece of a plain network, of as many
            weights where the bypass has none. Defaults to `True`.
        dilation_rate: Int or tuple of ints, for the kernels of `kernel_size`. Defaults
            to `1`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to that of Keras.
        use_bias: Bool, or `None` for a bias where there is no normalization. Defaults
            to `None`.
        kernel_initializer: Initializer of each kernel, drawn apart. Defaults to
            `"he_normal"`.
        kernel_regularizer: Optional regularizer of each kernel.
        kernel_constraint: Optional constraint of each kernel.
        seed: Optional int, for repeatable dropout and stochastic depth.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape: `(batch, ..., channels)`, with up to three spatial axes, or
    `(batch, channels, ...)`. A mask of time steps counts in batch normalization and is
    passed on where the strides are 1; the kernels do not heed it.

    Output shape: `(batch, ..., filters)`, the spatial axes divided by the strides and
    rounded up.

    Raises:
        ValueError: If an argument is out of range or unknown, `bottleneck` is set and
            `filters` no multiple of 4, `survival` is below 1 without a bypass, or the
            strides or dilation of dense layers are not 1.

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
        filters,
        kernel_size=3,
        strides=1,
        *,
        activation="relu",
        bottleneck=False,
        normalization="batch",
        dropout=0.0,
        survival=1.0,
        order="pre",
        bypass=True,
        dilation_rate=1,
        data_format=None,
        use_bias=None,
        kernel_initializer="he_normal",
        kernel_regularizer=None,
        kernel_constraint=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.kernel_size = _residual.sizes("kernel_size", kernel_size)
        self.strides = _residual.sizes("strides", strides)
        # A layer held here would be tracked as one more layer of the block.
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
            fail("`filters` of a bottleneck must be a multiple of 4.", filters=filters)
        if self.survival < 1 and not self.bypass:
            rule = "`survival` below 1 needs a bypass: what is dropped would be lost."
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
