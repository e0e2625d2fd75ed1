"""Of compiled steps that are used again with other numbers.

- `can_reuse(model)`: whether its steps are compiled, are not distributed, and know
  numbers in single precision.
- `dropout(inputs, numbers, shape, seed)`: what `keras.random.dropout` gives, to the
  bit, of numbers that a variable holds.
- `dropout_numbers(rate)`: what it needs to know.
- `forget_models()`: let go of the memory that models leave which are dropped.
- `leaves_graphs`: whether of a model that is dropped something compiled may stay.
- `rectifies(x)`: where a leaky ReLU returns its input; at 0 it decides the gradient.
"""

import keras
from keras import ops

leaves_graphs = keras.backend.backend() != "torch"

if keras.backend.backend() == "jax":
    import jax

    def can_reuse(model):
        """Return whether nothing is distributed, and numbers are in float32."""
        single = not jax.config.jax_enable_x64
        return single and keras.distribution.distribution() is None

    def dropout_numbers(rate):
        """Return the share of entries that stay."""
        return [1.0 - rate]

    def dropout(inputs, numbers, shape, seed):
        """Return the inputs with entries dropped and the others scaled up."""
        [keep] = numbers
        kept = keras.random.uniform(shape, dtype="float32", seed=seed) < keep
        scaled = inputs / ops.cast(keep, inputs.dtype)
        return ops.where(kept, scaled, ops.zeros_like(inputs))

    def forget_models():
        """Do nothing: it goes with them."""

    def rectifies(x):
        """Return where the input is not negative."""
        return x >= 0

elif keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.eager import context

    def can_reuse(model):
        """Return whether the model and this place are under no strategy."""
        usual = model.distribute_strategy is tf.distribute.get_strategy()
        return usual and not tf.distribute.has_strategy()

    def dropout_numbers(rate):
        """Return the rate and the factor of what stays."""
        return [rate, 1.0 / (1.0 - rate)]

    def dropout(inputs, numbers, shape, seed):
        """Return the inputs with entries dropped and the others scaled up."""
        rate, scale = (ops.cast(number, inputs.dtype) for number in numbers)
        kept = keras.random.uniform(shape, dtype=inputs.dtype, seed=seed) >= rate
        return ops.where(kept, inputs * scale, ops.zeros_like(inputs))

    def forget_models():
        """Drop the kernels that made their variables and hold these; others come anew.

        So does Keras when a session is cleared.
        """
        context.context().clear_kernel_cache()

    def rectifies(x):
        """Return where the input is positive."""
        return x > 0

else:

    def can_reuse(model):
        """Return False: nothing is compiled that could be used again."""
        return False

    dropout_numbers = dropout = forget_models = rectifies = None
