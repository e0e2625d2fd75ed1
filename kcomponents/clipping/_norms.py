"""Norms in float32 or wider that stay correct when sums of squares overflow."""

from keras import ops

from kcomponents._check import axis_in, fail
from kcomponents._precision import widened


def unit_axes(shape, axis=None):
    """Return the axes over which the norm of a unit is taken, `None` for all."""
    rank = len(shape)
    if axis is not None:
        axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
        if not axes:
            fail("`axis` must name at least one axis.", axis=axis)
        return tuple(axis_in("axis", a, rank) for a in axes)
    if sum(size != 1 for size in shape) <= 1:
        return None
    if rank > 5:
        fail(
            "Pass `axis` for tensors with more than five axes.",
            axis=axis,
            shape=tuple(shape),
        )
    return (0,) if rank <= 3 else tuple(range(rank - 1))


def norms(tensors, axes=None, keepdims=False):
    """Return the L2 norm of each tensor, over all or the given axes.

    Only if squares overflow, the norms are computed again from scaled numbers, which
    takes two more passes over the tensors.
    """
    axes = axes or [None] * len(tensors)
    pairs = list(zip(tensors, axes, strict=True))
    squares = [ops.sum(ops.square(x), axis, keepdims) for x, axis in pairs]
    flat = ops.concatenate([ops.reshape(s, (-1,)) for s in squares])
    return _either(
        ops.any(ops.isinf(flat)),
        lambda: [_scaled_norm(x, axis, keepdims) for x, axis in pairs],
        lambda: [ops.sqrt(s) for s in squares],
    )


def joint_norm(tensors):
    """Return the L2 norm of all tensors together, 0 if there are none."""
    if not tensors:
        return ops.zeros((), "float32")
    return _scaled_norm(ops.stack(norms([widened(x) for x in tensors])))


def _either(condition, yes, no):
    try:
        holds = bool(condition)
    except TypeError:  # while a graph is traced, the tensor has no value
        return ops.cond(condition, yes, no)
    # In eager mode JAX would compile both branches at every call of `cond`.
    return yes() if holds else no()


def _scaled_norm(x, axis=None, keepdims=False):
    peak = ops.max(ops.abs(x), axis, keepdims, initial=0.0)
    peak = ops.where((peak == 0) | ops.isinf(peak), ops.ones_like(peak), peak)
    return peak * ops.sqrt(ops.sum(ops.square(x / peak), axis, keepdims))
