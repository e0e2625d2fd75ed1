"""Tensors in float32 or wider, and sparse gradients."""

import keras
from keras import ops


def widened(x):
    """Return `x` in float32 or wider, so that squares do not overflow."""
    x = ops.convert_to_tensor(x)
    dtype = keras.backend.standardize_dtype(x.dtype)
    return ops.cast(x, keras.backend.result_type(dtype, "float32"))


# Sparse gradients: rows and their indices, which some backends return for embeddings.


def is_sparse(grad):
    """Return whether a gradient has `values`, `indices` and `dense_shape`."""
    return hasattr(grad, "indices") and hasattr(grad, "dense_shape")


def merge(grad):
    """Sum rows with the same index into the first one; return dense gradients as is.

    The number of rows stays the same: the other rows become zeros. The function can
    thus be compiled for static shapes.
    """
    if not is_sparse(grad):
        return grad
    order = ops.argsort(grad.indices)
    indices = ops.take(grad.indices, order)
    first = ops.concatenate([ops.ones_like(indices[:1]), ops.diff(indices)]) != 0
    segments = ops.cumsum(ops.cast(first, "int32")) - 1
    rows = ops.take(ops.cast(grad.values, "float32"), order, axis=0)
    sums = ops.segment_sum(rows, segments, num_segments=ops.shape(rows)[0])
    mask = ops.reshape(first, (-1,) + (1,) * (len(rows.shape) - 1))
    sums = ops.where(mask, ops.take(sums, segments, axis=0), 0.0)
    return type(grad)(ops.cast(sums, grad.values.dtype), indices, grad.dense_shape)


def values(grad):
    """Return the values of a gradient as one dense tensor, or None for None."""
    return grad.values if is_sparse(grad) else grad


def with_values(grad, new):
    """Return the values `new` as a gradient of the same kind as `grad`."""
    return type(grad)(new, grad.indices, grad.dense_shape) if is_sparse(grad) else new
