"""MaxoutDense: a dense layer with maxout units."""

import keras

from kcomponents._checks import positive_int
from kcomponents._registration import register
from kcomponents.layers._fused_maxout import Delegated, FusedMaxout


@register
class MaxoutDense(FusedMaxout):
    """Dense layer with maxout units: the maximum of several linear pieces.

    `y[i] = max over j of (x @ kernel + bias)[channel of piece j of unit i]`. The layer
    learns a convex activation for each unit, with `num_pieces` times the weights of
    `Dense`. The attribute `linear` is a `Dense` layer that computes all pieces with one
    kernel, so `enable_lora` and `quantize` work as in `Dense`, also through the model.

    Args:
        units: Int, the number of outputs.
        num_pieces: Int, the number of linear pieces of each unit. Defaults to `2`.
        use_bias: Bool, whether the pieces have biases. Defaults to `True`.
        kernel_initializer: Initializer of the kernel of one piece. The pieces are
            initialized separately, see `kcomponents.initializers.PerPiece`. With an
            initializer that is not random, such as `"identity"`, they start equal, and
            a warning says so. Defaults to `"glorot_uniform"`.
        bias_initializer: Initializer of the biases. Defaults to `"zeros"`.
        kernel_regularizer, bias_regularizer: Regularizers of the kernel and the bias.
            Default to `None`.
        activity_regularizer: Regularizer of the outputs. Defaults to `None`.
        kernel_constraint, bias_constraint: Constraints on the kernel and the bias.
            Default to `None`.
        lora_rank: Optional int, as in `keras.layers.Dense`. Defaults to `None`.
        lora_alpha: Optional number, as in `keras.layers.Dense`. Defaults to
            `lora_rank`.
        grouping: Order of the kernel's columns for `n` units and `k` pieces:
            `"contiguous"` puts piece `j` of unit `i` at `i * k + j`, `"strided"` puts
            it at `j * n + i`, which is faster. Defaults to `"contiguous"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`, and
            `quantization_config` as in `keras.layers.Dense`.

    Input shape:
        `(batch, ..., input_dim)`. Masks are supported.

    Output shape:
        `(batch, ..., units)`.

    Raises:
        ValueError: If counts are not positive integers, if the grouping is unknown, or
            if `keras.layers.Dense` rejects an argument.

    Example:
        >>> import keras
        >>> from kcomponents.layers import MaxoutDense
        >>> layer = MaxoutDense(8, num_pieces=3)
        >>> layer(keras.ops.ones((2, 5))).shape == (2, 8)
        True
        >>> layer.kernel.shape == (5, 24)
        True

    Reference:
        Goodfellow, Warde-Farley, Mirza, Courville and Bengio, [Maxout
        Networks](https://arxiv.org/abs/1302.4389), 2013.
    """

    linear_class = keras.layers.Dense
    quantization_config = Delegated("quantization_config")

    def __init__(
        self,
        units: int,
        num_pieces: int = 2,
        use_bias: bool = True,
        kernel_initializer: str
        | dict
        | keras.initializers.Initializer = "glorot_uniform",
        bias_initializer: str | dict | keras.initializers.Initializer = "zeros",
        kernel_regularizer: str | dict | keras.regularizers.Regularizer | None = None,
        bias_regularizer: str | dict | keras.regularizers.Regularizer | None = None,
        activity_regularizer: str | dict | keras.regularizers.Regularizer | None = None,
        kernel_constraint: str | dict | keras.constraints.Constraint | None = None,
        bias_constraint: str | dict | keras.constraints.Constraint | None = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        *,
        grouping: str = "contiguous",
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
