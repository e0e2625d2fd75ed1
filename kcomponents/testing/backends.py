"""The few lines of each backend that a test needs: a gradient and a compiled call."""

import keras
import numpy as np
from keras import ops


def gradient(function, *arrays):
    """Differentiate `function(*arrays)`, a scalar tensor, by each of its arguments.

    Args:
        function: Callable of tensors that returns one scalar tensor.
        *arrays: Numpy arrays or nested lists of floats, float32 unless they say else.

    Returns:
        List of numpy arrays, one per argument and of its shape (zeros where the
        function does not depend on it).

    Example:
        >>> from kcomponents.testing import gradient
        >>> [slope] = gradient(lambda x: x * x, 3.0)
        >>> float(slope)
        6.0
    """
    arrays = [np.asarray(a, getattr(a, "dtype", "float32")) for a in arrays]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.constant(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        slopes = tape.gradient(value, tensors, unconnected_gradients="zero")
    elif backend == "jax":
        import jax

        slopes = jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays)
    else:
        import torch

        tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
        slopes = torch.autograd.grad(function(*tensors), tensors, allow_unused=True)
        slopes = [
            t * 0 if s is None else s for s, t in zip(slopes, tensors, strict=True)
        ]
    return [ops.convert_to_numpy(s) for s in slopes]


def compiled(function):
    """Compile a function of tensors as `fit` does with `jit_compile=True`.

    PyTorch runs eagerly, as Keras does there by default.

    Args:
        function: Callable of tensors.

    Returns:
        A callable of the same arguments and results.

    Example:
        >>> from kcomponents.testing import compiled
        >>> float(compiled(keras.ops.sin)(keras.ops.array(0.0)))
        0.0
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if backend == "jax":
        import jax

        return jax.jit(function)
    return function


def compile_modes():
    """Return the values of `jit_compile` that `fit` is to be tried with."""
    return [False] if keras.backend.backend() == "torch" else [False, True]


def precisions():
    """Return the dtype policies beside float32 that the backend computes in."""
    mixed = ["mixed_bfloat16", "mixed_float16"]
    # JAX has no float64 unless the whole process asks for it.
    return mixed if keras.backend.backend() == "jax" else [*mixed, "float64"]
