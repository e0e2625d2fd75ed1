"""MaxoutDense: a dense layer whose units are the largest of several linear pieces."""

import keras

from kcomponents._check import positive_int
from kcomponents._register import register
from kcomponents.layers._fused_maxout import FusedMaxout, Passed


@register
class MaxoutDense(FusedMaxout):
    """Dense layer whose units are the largest of several linear pieces.

    `y[i] = max over j of (x @ kernel + bias)[channel of piece j of unit i]`: the layer
    learns a convex activation for each unit, with `num_pieces` times the weights of
    `Dense`. All pieces lie in one kernel, held by the `Dense` layer `linear`, so
    `enable_lora` and `quantize` work as there, also through the model.

    Args:
        units: Int, number of outputs.
        num_pieces: Int, linear pieces of each unit. Defaults to `2`.
        use_bias: Bool, whether pieces have biases. Defaults to `True`.
        kernel_initializer: Initializer of the kernel of one piece; each is drawn on its
            own, see `kcomponents.initializers.PerPiece`. Defaults to
            `"glorot_uniform"`.
        bias_initializer: Initializer of all biases. Defaults to `"zeros"`.
        kernel_regularizer, bias_regularizer: Penalties on kernel and bias. Default to
            `None`.
        activity_regularizer: Penalty on the outputs. Defaults to `None`.
        kernel_constraint, bias_constraint: Constraints on kernel and bias. Default to
            `None`.
        lora_rank: Optional int, as in `keras.layers.Dense`. Defaults to `None`.
        lora_alpha: Optional number, as in `keras.layers.Dense`. Defaults to
            `lora_rank`.
        grouping: Order of kernel columns, of `n` units and `k` pieces: `"contiguous"`
            puts piece `j` of unit `i` at `i * k + j`, `"strided"` at `j * n + i`.
            `"strided"` is the faster one. Defaults to `"contiguous"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`, and
            `quantization_config` as in `keras.layers.Dense`.

    Input shape:
        `(batch, ..., input_dim)`. A mask passes.

    Output shape:
        `(batch, ..., units)`.

    Raises:
        ValueError: If counts are not positive integers, the grouping is unknown, or
            `keras.layers.Dense` refuses an argument.

    Example:
        >>> from kcomponents.layers import MaxoutDense
        >>> layer = MaxoutDense(8, num_pieces=3)
        >>> layer(keras.ops.ones((2, 5))).shape == (2, 8)
        True
        >>> layer.kernel.shape == (5, 24)
        True

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """

    linear_class = keras.layers.Dense
    quantization_config = Passed("quantization_config")

    def __init__(
        self,
        units,
        num_pieces=2,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        *,
        grouping="contiguous",
        **kwargs,
    ):
        units = positive_int("units", units)
        super().__init__(
            units,
            num_pieces,
            kernel_initializer,
            grouping,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            **kwargs,
        )
        self.units = units

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    @classmethod
    def from_config(cls, config):
        quantization = config.get("quantization_config")
        if quantization:
            quantization = keras.saving.deserialize_keras_object(quantization)
            config = {**config, "quantization_config": quantization}
        return super().from_config(config)
