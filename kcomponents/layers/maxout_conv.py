"""MaxoutConv2D: a 2D convolution with maxout filters."""

import keras

from kcomponents._register import register
from kcomponents.layers._base_maxout import MaxoutConv


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
            initialized separately, see `kcomponents.initializers.PerPiece`. Defaults to
            `"glorot_uniform"`.
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
        >>> from kcomponents.layers import MaxoutConv2D
        >>> layer = MaxoutConv2D(8, 3, num_pieces=2, padding="same")
        >>> layer(keras.ops.ones((2, 6, 6, 5))).shape == (2, 6, 6, 8)
        True

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """

    linear_class = keras.layers.Conv2D


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
            initialized separately, see `kcomponents.initializers.PerPiece`. Defaults to
            `"glorot_uniform"`.
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
        >>> from kcomponents.layers import MaxoutConv1D
        >>> layer = MaxoutConv1D(8, 3, num_pieces=2, padding="same")
        >>> layer(keras.ops.ones((2, 6, 5))).shape == (2, 6, 8)
        True

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """

    linear_class = keras.layers.Conv1D


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
            initialized separately, see `kcomponents.initializers.PerPiece`. Defaults to
            `"glorot_uniform"`.
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
        >>> from kcomponents.layers import MaxoutConv3D
        >>> layer = MaxoutConv3D(8, 3, num_pieces=2, padding="same")
        >>> layer(keras.ops.ones((2, 4, 4, 4, 5))).shape == (2, 4, 4, 4, 8)
        True

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """

    linear_class = keras.layers.Conv3D
