"""Compiled steps that are reused with other numbers.

- `can_reuse(model)`: whether its steps are compiled, not distributed, and in single
  precision.
- `dropout(inputs, numbers, shape, seed)`: exactly the result of `keras.random.dropout`,
  for numbers in a variable.
- `dropout_numbers(rate)`: the numbers for `dropout`.
- `forget_models()`: release memory that deleted models leave behind.
- `leaves_graphs`: whether a deleted model may leave compiled functions behind.
- `rectifies(x)`: where a leaky ReLU returns its input; decides the gradient at 0.
"""

import keras
from keras import ops

leaves_graphs = keras.backend.backend() != "torch"

if keras.backend.backend() == "jax":
    import jax

    def can_reuse(model):
        """Return whether nothing is distributed, and floats are float32."""
        single = not jax.config.jax_enable_x64
        return single and keras.distribution.distribution() is None

    def dropout_numbers(rate):
        """Return the fraction of entries that are kept."""
        return [1.0 - rate]

    def dropout(inputs, numbers, shape, seed):
        """Return the inputs with dropout, and the other entries scaled up."""
        [keep] = numbers
        kept = keras.random.uniform(shape, dtype="float32", seed=seed) < keep
        scaled = inputs / ops.cast(keep, inputs.dtype)
        return ops.where(kept, scaled, ops.zeros_like(inputs))

    def forget_models():
        """Do nothing: JAX releases it together with them."""

    def rectifies(x):
        """Return where the input is not negative."""
        return x >= 0

elif keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.eager import context

    def can_reuse(model):
        """Return whether the model and the current scope have no strategy."""
        usual = model.distribute_strategy is tf.distribute.get_strategy()
        return usual and not tf.distribute.has_strategy()

    def dropout_numbers(rate):
        """Return the dropout rate and the scale of the entries that are kept."""
        return [rate, 1.0 / (1.0 - rate)]

    def dropout(inputs, numbers, shape, seed):
        """Return the inputs with dropout, and the other entries scaled up."""
        rate, scale = (ops.cast(number, inputs.dtype) for number in numbers)
        kept = keras.random.uniform(shape, dtype=inputs.dtype, seed=seed) >= rate
        return ops.where(kept, inputs * scale, ops.zeros_like(inputs))

    def forget_models():
        """Clear the cached kernels that created their variables and keep them alive.

        Keras also does this in `clear_session`.
        """
        context.context().clear_kernel_cache()

    def rectifies(x):
        """Return where the input is positive."""
        return x > 0

else:

    def can_reuse(model):
        """Return False: PyTorch compiles no steps to reuse."""
        return False

    dropout_numbers = dropout = forget_models = rectifies = None
