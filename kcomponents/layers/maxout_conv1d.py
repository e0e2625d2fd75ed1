"""MaxoutConv1D: a 1D convolution with the largest of several pieces per filter."""

import keras

from kcomponents._register import register
from kcomponents.layers._maxout_conv import MaxoutConv


@register
class MaxoutConv1D(MaxoutConv):
    """1D convolution whose filters are the largest of several linear pieces.

    `y[i] = max over j of the channel of piece j of filter i` of one convolution with
    `filters * num_pieces` channels, held as the `Conv1D` layer `linear`.

    Args:
        filters: Int, number of output channels.
        kernel_size: Int, the window in steps.
        num_pieces: Int, linear pieces of each filter. Defaults to `2`.
        strides: Int, step of the window. Defaults to `1`.
        padding: `"valid"`, `"same"` or `"causal"`. Defaults to `"valid"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        dilation_rate: Int, spacing of the window's points. Defaults to `1`.
        groups: Int, number of groups of channels convolved apart; all pieces of a
            filter see the same group. Defaults to `1`.
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
        lora_rank: Optional int, as in `keras.layers.Conv1D`. Defaults to `None`.
        lora_alpha: Optional number, as in `keras.layers.Conv1D`. Defaults to
            `lora_rank`.
        grouping: Order of kernel channels, of `n` filters and `k` pieces:
            `"contiguous"` puts piece `j` of filter `i` at `i * k + j`, `"strided"` at
            `j * n + i`. Defaults to `"contiguous"`.
        **kwargs: Base layer arguments, such as `name` and `dtype`.

    Input shape:
        `(batch, steps, channels)`, with `"channels_first"` the
        channels second.

    Output shape:
        `(batch, new_steps, filters)`, with the filters where the
        channels were.

    Raises:
        ValueError: If counts are not positive integers, `groups` does not divide
            `filters` or is joined with `"strided"`, or `keras.layers.Conv1D` refuses
            an argument.

    Example:
        >>> from kcomponents.layers import MaxoutConv1D
        >>> layer = MaxoutConv1D(8, 3, num_pieces=2, padding="same")
        >>> layer(keras.ops.ones((2, 6, 5))).shape == (2, 6, 8)
        True

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """

    linear_class = keras.layers.Conv1D
