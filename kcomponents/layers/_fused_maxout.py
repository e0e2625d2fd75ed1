"""What dense and convolutional maxout share: a wide linear layer and a maximum."""

import keras

from kcomponents._check import positive_int
from kcomponents.activations import maxout
from kcomponents.initializers import PerPiece


class Passed(property):
    """An argument or weight of the linear layer, shown as one of the maxout layer."""

    def __init__(self, name):
        super().__init__(
            lambda layer: getattr(layer.linear, name),
            lambda layer, value: setattr(layer.linear, name, value),
        )


class FusedMaxout(keras.layers.Layer):
    """Base: `linear` computes all pieces of all units, the layer keeps the largest.

    The kernel belongs to a plain Keras layer, which brings LoRA and quantization. What
    is changed there later, a regularizer say, is what the config holds.
    """

    linear_class = None
    axis = -1

    kernel = Passed("kernel")
    bias = Passed("bias")
    use_bias = Passed("use_bias")
    bias_initializer = Passed("bias_initializer")
    kernel_regularizer = Passed("kernel_regularizer")
    bias_regularizer = Passed("bias_regularizer")
    kernel_constraint = Passed("kernel_constraint")
    bias_constraint = Passed("bias_constraint")
    lora_rank = Passed("lora_rank")
    lora_alpha = Passed("lora_alpha")
    lora_enabled = Passed("lora_enabled")

    def __init__(self, outputs, num_pieces, kernel_initializer, grouping, **kwargs):
        names = [name for name in kwargs if name in self._passed_names()]
        arguments = {name: kwargs.pop(name) for name in names}
        super().__init__(**kwargs)
        self.num_pieces = positive_int("num_pieces", num_pieces)
        initializer = keras.initializers.get(kernel_initializer)
        if isinstance(initializer, PerPiece):
            initializer = initializer.initializer
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
    def _passed_names(cls):
        return {name for name in dir(cls) if isinstance(getattr(cls, name), Passed)}

    def build(self, input_shape):
        lora_alpha = self.linear.lora_alpha
        self.linear.build(input_shape)
        self.linear.lora_alpha = lora_alpha  # which `Dense.build` sets to the rank
        self.input_spec = self.linear.input_spec

    def call(self, inputs):
        pieces = self.linear(inputs)
        return maxout(pieces, self.num_pieces, self.axis, grouping=self.grouping)

    def compute_output_shape(self, input_shape):
        shape = list(self.linear.compute_output_shape(input_shape))
        shape[self.axis] //= self.num_pieces
        return tuple(shape)

    def enable_lora(self, rank, lora_alpha=None, **initializers):
        """Train a change of low rank in place of the kernel, as Keras's layer does."""
        self.linear.enable_lora(rank, lora_alpha, **initializers)

    def quantize(self, mode=None, type_check=True, config=None):
        """Quantize the kernel, as Keras's layer does."""
        self.linear.quantize(mode, type_check=type_check, config=config)

    def quantized_call(self, *args, **kwargs):
        # A quantized layer comes back with a quantized policy, which calls this; the
        # part that is quantized, `linear`, is called inside.
        return self.call(*args, **kwargs)

    def get_config(self):
        linear = self.linear.get_config()
        return {
            **{name: linear[name] for name in self._passed_names() & linear.keys()},
            **super().get_config(),
            "dtype": linear["dtype"],
            "num_pieces": self.num_pieces,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "grouping": self.grouping,
        }
