"""Base class of the convolutional maxout layers."""

from collections.abc import Sequence

import keras

from kcomponents._check import fail, positive_int
from kcomponents.layers._fused_maxout import Delegated, FusedMaxout


class MaxoutConv(FusedMaxout):
    """Base class: `linear` is the convolution that computes all pieces."""

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
