"""What convolutional maxout layers of all ranks share."""

from kcomponents._check import fail, positive_int
from kcomponents.layers._fused_maxout import FusedMaxout, Passed


class MaxoutConv(FusedMaxout):
    """Base: `linear` is the convolution that computes all pieces of all filters."""

    kernel_size = Passed("kernel_size")
    strides = Passed("strides")
    padding = Passed("padding")
    data_format = Passed("data_format")
    dilation_rate = Passed("dilation_rate")
    groups = Passed("groups")

    def __init__(
        self,
        filters,
        kernel_size,
        num_pieces=2,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        groups=1,
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
        filters = positive_int("filters", filters)
        if filters % positive_int("groups", groups):
            fail("`groups` must divide `filters`.", groups=groups, filters=filters)
        if groups > 1 and grouping == "strided":
            # Pieces of one filter would come from different groups of the input.
            fail("`groups` above 1 needs contiguous pieces.", grouping=grouping)
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
