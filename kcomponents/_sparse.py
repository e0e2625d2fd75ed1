"""Gradients of embeddings as some backends give them: rows and their indices.

Such a gradient is known by its attributes `values`, `indices` and `dense_shape`.
"""

from keras import ops


def is_sparse(grad):
    """Return whether a gradient is given as rows with indices."""
    return hasattr(grad, "indices") and hasattr(grad, "dense_shape")


def merge(grad):
    """Sum the rows of each index into the first of them; other gradients pass.

    The number of rows stays, with zeros in the place of those summed away, so that it
    may be compiled for static shapes.
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
    """Return the numbers of a gradient as one plain tensor, or None for None."""
    return grad.values if is_sparse(grad) else grad


def with_values(grad, new):
    """Return the plain tensor `new` in the form of `grad`."""
    return type(grad)(new, grad.indices, grad.dense_shape) if is_sparse(grad) else new
