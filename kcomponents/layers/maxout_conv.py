"""MaxoutConv1D, MaxoutConv2D and MaxoutConv3D: convolutions with maxout filters."""

from collections.abc import Sequence

import keras

from kcomponents._checks import fail, positive_int
from kcomponents._registration import register
from kcomponents.layers._fused_maxout import Delegated, FusedMaxout


class MaxoutConv(FusedMaxout):
    """Base class of the maxout convolutions; `linear` computes all pieces."""

    kernel_size = Delegated("kernel_size")
    strides = Delegated("strides")
    padding = Delegated("padding")
    data_format = Delegated("data_format")
    dilation_rate = Delegated("dilation_rate")
    groups = Delegated("groups")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        num_pieces: int = 2,
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
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
        filters = positive_int("filters", filters)
        if filters % positive_int("groups", groups):
            fail("`groups` must divide `filters`.", groups=groups, filters=filters)
        if groups > 1 and grouping == "strided":
            # The pieces of a filter would belong to different groups of the input.
            fail("`groups` above 1 needs `grouping='contiguous'`.", grouping=grouping)
        super().__init__(
            filters,
            num_pieces,
            kernel_initializer,
            grouping,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
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
        self.filters = filters
        self.axis = -1 if self.data_format == "channels_last" else 1

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@register
class MaxoutConv1D(MaxoutConv):
    """1D convolution with maxout filters: the maximum of several linear pieces.

    `y[i] = max over j of conv(x)[channel of piece j of filter i]`. The attribute
    `linear` is a `Conv1D` layer with `filters * num_pieces` channels that computes all
    pieces with one kernel.

    Args:
        filters: Int, the number of output channels.
        kernel_size: Int, the size of the convolution window in steps.
        num_pieces: Int, the number of linear pieces of each filter. Defaults to `2`.
        strides: Int, the stride of the window. Defaults to `1`.
        padding: `"valid"`, `"same"` or `"causal"`. Defaults to `"valid"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        dilation_rate: Int, the dilation of the window. Defaults to `1`.
        groups: Int, the number of groups of channels that are convolved separately.
            All pieces of a filter belong to the same group. Defaults to `1`.
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
        lora_rank: Optional int, as in `keras.layers.Conv1D`. Defaults to `None`.
        lora_alpha: Optional number, as in `keras.layers.Conv1D`. Defaults to
            `lora_rank`.
        grouping: Order of the kernel's channels for `n` filters and `k` pieces:
            `"contiguous"` puts piece `j` of filter `i` at `i * k + j`, `"strided"` puts
            it at `j * n + i`. Defaults to `"contiguous"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape:
        `(batch, steps, channels)`, or
        with the channels second for `"channels_first"`.

    Output shape:
        `(batch, new_steps, filters)`, or
        with the filters second for `"channels_first"`.

    Raises:
        ValueError: If counts are not positive integers, if `groups` does not divide
            `filters`, if `groups` is above 1 with `grouping="strided"`, or if
            `keras.layers.Conv1D` rejects an argument.

    Example:
        >>> import keras
        >>> from kcomponents.layers import MaxoutConv1D
        >>> layer = MaxoutConv1D(8, 3, num_pieces=2, padding="same")
        >>> layer(keras.ops.ones((2, 6, 5))).shape == (2, 6, 8)
        True

    Reference:
        Goodfellow, Warde-Farley, Mirza, Courville and Bengio, [Maxout
        Networks](https://arxiv.org/abs/1302.4389), 2013.
    """

    linear_class = keras.layers.Conv1D


@register
class MaxoutConv2D(MaxoutConv):
    """2D convolution with maxout filters: the maximum of several linear pieces.

    `y[i] = max over j of conv(x)[channel of piece j of filter i]`. The attribute
    `linear` is a `Conv2D` layer with `filters * num_pieces` channels that computes all
    pieces with one kernel.

    Args:
        filters: Int, the number of output channels.
        kernel_size: Int or 2 ints, the size of the convolution window in pixels.
        num_pieces: Int, the number of linear pieces of each filter. Defaults to `2`.
        strides: Int or 2 ints, the stride of the window. Defaults to `1`.
        padding: `"valid"` or `"same"`. Defaults to `"valid"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        dilation_rate: Int or 2 ints, the dilation of the window. Defaults to `1`.
        groups: Int, the number of groups of channels that are convolved separately.
            All pieces of a filter belong to the same group. Defaults to `1`.
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
        lora_rank: Optional int, as in `keras.layers.Conv2D`. Defaults to `None`.
        lora_alpha: Optional number, as in `keras.layers.Conv2D`. Defaults to
            `lora_rank`.
        grouping: Order of the kernel's channels for `n` filters and `k` pieces:
            `"contiguous"` puts piece `j` of filter `i` at `i * k + j`, `"strided"` puts
            it at `j * n + i`. Defaults to `"contiguous"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)`, or
        with the channels second for `"channels_first"`.

    Output shape:
        `(batch, new_height, new_width, filters)`, or
        with the filters second for `"channels_first"`.

    Raises:
        ValueError: If counts are not positive integers, if `groups` does not divide
            `filters`, if `groups` is above 1 with `grouping="strided"`, or if
            `keras.layers.Conv2D` rejects an argument.

    Example:
        >>> import keras
        >>> from kcomponents.layers import MaxoutConv2D
        >>> layer = MaxoutConv2D(8, 3, num_pieces=2, padding="same")
        >>> layer(keras.ops.ones((2, 6, 6, 5))).shape == (2, 6, 6, 8)
        True

    Reference:
        Goodfellow, Warde-Farley, Mirza, Courville and Bengio, [Maxout
        Networks](https://arxiv.org/abs/1302.4389), 2013.
    """

    linear_class = keras.layers.Conv2D


@register
class MaxoutConv3D(MaxoutConv):
    """3D convolution with maxout filters: the maximum of several linear pieces.

    `y[i] = max over j of conv(x)[channel of piece j of filter i]`. The attribute
    `linear` is a `Conv3D` layer with `filters * num_pieces` channels that computes all
    pieces with one kernel.

    Args:
        filters: Int, the number of output channels.
        kernel_size: Int or 3 ints, the size of the convolution window in voxels.
        num_pieces: Int, the number of linear pieces of each filter. Defaults to `2`.
        strides: Int or 3 ints, the stride of the window. Defaults to `1`.
        padding: `"valid"` or `"same"`. Defaults to `"valid"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        dilation_rate: Int or 3 ints, the dilation of the window. Defaults to `1`.
        groups: Int, the number of groups of channels that are convolved separately.
            All pieces of a filter belong to the same group. Defaults to `1`.
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
        lora_rank: Optional int, as in `keras.layers.Conv3D`. Defaults to `None`.
        lora_alpha: Optional number, as in `keras.layers.Conv3D`. Defaults to
            `lora_rank`.
        grouping: Order of the kernel's channels for `n` filters and `k` pieces:
            `"contiguous"` puts piece `j` of filter `i` at `i * k + j`, `"strided"` puts
            it at `j * n + i`. Defaults to `"contiguous"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape:
        `(batch, depth, height, width, channels)`, or
        with the channels second for `"channels_first"`.

    Output shape:
        `(batch, new_depth, new_height, new_width, filters)`, or
        with the filters second for `"channels_first"`.

    Raises:
        ValueError: If counts are not positive integers, if `groups` does not divide
            `filters`, if `groups` is above 1 with `grouping="strided"`, or if
            `keras.layers.Conv3D` rejects an argument.

    Example:
        >>> import keras
        >>> from kcomponents.layers import MaxoutConv3D
        >>> layer = MaxoutConv3D(8, 3, num_pieces=2, padding="same")
        >>> layer(keras.ops.ones((2, 4, 4, 4, 5))).shape == (2, 4, 4, 4, 8)
        True

    Reference:
        Goodfellow, Warde-Farley, Mirza, Courville and Bengio, [Maxout
        Networks](https://arxiv.org/abs/1302.4389), 2013.
    """

    linear_class = keras.layers.Conv3D
