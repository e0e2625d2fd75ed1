"""Test helpers for each backend: gradients and compiled functions."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike


def gradient(function: Callable[..., Any], *arrays: ArrayLike) -> list[np.ndarray]:
    """Compute the gradient of a scalar function with respect to each argument.

    Args:
        function: Callable of tensors that returns one scalar tensor.
        *arrays: Numpy arrays, or numbers or nested lists, which become float32.

    Returns:
        List of numpy arrays, one for each argument, of the same shape. An argument that
        the function does not use has a gradient of zeros.

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


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of tensors as `fit` does with `jit_compile=True`.

    On PyTorch, the function runs eagerly, as in Keras by default.

    Args:
        function: Callable of tensors.

    Returns:
        A callable with the same arguments and results.

    Example:
        >>> import keras
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
    """Return the values of `jit_compile` to test `fit` with."""
    return [False] if keras.backend.backend() == "torch" else [False, True]


def precisions():
    """Return the dtype policies other than float32 that the backend supports."""
    mixed = ["mixed_bfloat16", "mixed_float16"]
    # JAX has float64 only if it is enabled for the whole process.
    return mixed if keras.backend.backend() == "jax" else [*mixed, "float64"]
