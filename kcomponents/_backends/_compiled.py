"""Functions of tensors, compiled where the backend compiles.

- `compiled(function)`: the same function of tensors, or lists and dicts of tensors,
  without gradients. Side effects happen when it is traced, or at each call.
"""

import keras

if keras.backend.backend() == "jax":
    import jax

    def compiled(function):
        """Return the function, compiled for each shape of its arguments."""
        return jax.jit(function)

elif keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def compiled(function):
        """Return the function as a graph for each shape of its arguments."""
        return tf.function(function, autograph=False)

else:
    import torch

    def compiled(function):
        """Return the function without gradients; PyTorch compiles nothing."""
        return torch.no_grad()(function)
