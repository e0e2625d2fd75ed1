"""Arithmetic in float32 or wider, whatever the dtype of the tensor."""

import keras
from keras import ops


def widened(x):
    """Return `x` in float32 or wider, so that squares do not overflow."""
    x = ops.convert_to_tensor(x)
    dtype = keras.backend.standardize_dtype(x.dtype)
    return ops.cast(x, keras.backend.result_type(dtype, "float32"))
