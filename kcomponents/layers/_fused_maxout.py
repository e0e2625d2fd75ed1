"""The base class of MaxoutDense and the MaxoutConv layers."""

from typing import Any

import keras

from kcomponents import _console
from kcomponents._checks import positive_int
from kcomponents.activations import maxout
from kcomponents.initializers import PerPiece
from kcomponents.initializers.blocks import is_random


class Delegated(property):
    """Attribute of the maxout layer that is stored in its linear layer."""

    def __init__(self, name):
        super().__init__(
            lambda layer: getattr(layer.linear, name),
            lambda layer, value: setattr(layer.linear, name, value),
        )


class FusedMaxout(keras.layers.Layer):
    """Base class: `linear` computes all pieces of all units, `call` their maximum.

    The kernel belongs to a plain Keras layer, which implements LoRA and quantization.
    Later changes to that layer, such as a new regularizer, are saved in the config.
    """

    linear_class = None
    axis = -1

    kernel = Delegated("kernel")
    bias = Delegated("bias")
    use_bias = Delegated("use_bias")
    bias_initializer = Delegated("bias_initializer")
    kernel_regularizer = Delegated("kernel_regularizer")
    bias_regularizer = Delegated("bias_regularizer")
    kernel_constraint = Delegated("kernel_constraint")
    bias_constraint = Delegated("bias_constraint")
    lora_rank = Delegated("lora_rank")
    lora_alpha = Delegated("lora_alpha")
    lora_enabled = Delegated("lora_enabled")

    def __init__(self, outputs, num_pieces, kernel_initializer, grouping, **kwargs):
        names = [name for name in kwargs if name in self._delegated_names()]
        arguments = {name: kwargs.pop(name) for name in names}
        super().__init__(**kwargs)
        self.num_pieces = positive_int("num_pieces", num_pieces)
        initializer = keras.initializers.get(kernel_initializer)
        if isinstance(initializer, PerPiece):
            initializer = initializer.initializer
        # A config is of a layer that was made before, and may get its weights anew.
        of_config = isinstance(kernel_initializer, dict)
        if self.num_pieces > 1 and not of_config and not is_random(initializer):
            # The caller of the constructor of the subclass.
            _console.warn(_equal_pieces(initializer), stacklevel=3)
        self.kernel_initializer = initializer
        self.grouping = grouping
        self.linear = self.linear_class(
            outputs * self.num_pieces,
            kernel_initializer=PerPiece(initializer, num_pieces, grouping=grouping),
            name="linear",
            dtype=kwargs.get("dtype"),
            trainable=self.trainable,
            **arguments,
        )
        self.input_spec = self.linear.input_spec
        self.supports_masking = self.linear.supports_masking

    @classmethod
    def _delegated_names(cls):
        return {name for name in dir(cls) if isinstance(getattr(cls, name), Delegated)}

    def build(self, input_shape):
        lora_alpha = self.linear.lora_alpha
        self.linear.build(input_shape)
        self.linear.lora_alpha = lora_alpha  # `Dense.build` replaces it by the rank
        self.input_spec = self.linear.input_spec

    def call(self, inputs):
        pieces = self.linear(inputs)
        return maxout(pieces, self.num_pieces, self.axis, grouping=self.grouping)

    def compute_output_shape(self, input_shape):
        shape = list(self.linear.compute_output_shape(input_shape))
        shape[self.axis] //= self.num_pieces
        return tuple(shape)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: str | dict | keras.initializers.Initializer = "he_uniform",
        b_initializer: str | dict | keras.initializers.Initializer = "zeros",
    ) -> None:
        """Train a low-rank update instead of the kernel, like `Dense.enable_lora`."""
        self.linear.enable_lora(rank, lora_alpha, a_initializer, b_initializer)

    def quantize(
        self, mode: str | None = None, type_check: bool = True, config: Any = None
    ) -> None:
        """Quantize the kernel, like `Dense.quantize`."""
        # Keras before 3.12 does not know this argument.
        options = {} if config is None else {"config": config}
        self.linear.quantize(mode, type_check=type_check, **options)

    def quantized_call(self, *args, **kwargs):
        # A loaded quantized layer has a quantized dtype policy, so Keras calls this
        # method. Only `linear` is quantized, and `call` calls it.
        return self.call(*args, **kwargs)

    def get_config(self):
        linear = self.linear.get_config()
        return {
            **{name: linear[name] for name in self._delegated_names() & linear.keys()},
            **super().get_config(),
            "dtype": linear["dtype"],
            "num_pieces": self.num_pieces,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "grouping": self.grouping,
        }


def _equal_pieces(initializer):
    return (
        "All pieces of a maxout unit start equal with this `kernel_initializer`, so"
        " the unit starts as a linear one, and only its first piece learns from the"
        " first step. Use a random initializer, such as 'glorot_uniform'. Received:"
        f" kernel_initializer={type(initializer).__name__}"
    )
