"""Clipping of gradients by value, by norm, or relative to the weights; their norms."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from kcomponents._checks import axis_in, fail, number
from kcomponents._tensors import is_sparse, merge, values, widened, with_values


def clip_by_value(grads: Sequence[Any], value: float) -> list[Any]:
    """Clip every entry of every gradient to `[-value, value]`.

    `g = min(max(g, -value), value)`, which may change the gradient's direction.

    Args:
        grads: List of gradients (tensors). `None` stays `None`. In a sparse gradient,
            rows with the same index are summed first.
        value: Float above 0, the largest absolute value of an entry.

    Returns:
        List of gradients in their own dtypes. NaN stays NaN.

    Raises:
        ValueError: If `value` is not a finite number above 0.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import clip_by_value
        >>> [g] = clip_by_value([keras.ops.array([3.0, -4.0])], 1.0)
        >>> keras.ops.convert_to_numpy(g).tolist()
        [1.0, -1.0]

    Reference:
        Mikolov, [Statistical language models based on neural
        networks](https://www.fit.vut.cz/study/phd-thesis/283/.en), 2012.
    """
    value = number("value", value, 0, open_low=True)

    return [
        None if g is None else _mapped(lambda x: ops.clip(x, -value, value), merge(g))
        for g in grads
    ]


def clip_by_norm(grads: Sequence[Any], max_norm: float) -> list[Any]:
    """Clip each gradient to an L2 norm of at most `max_norm`.

    `g = g * max_norm / max(norm(g), max_norm)`. Each gradient keeps its
    direction; the direction of all gradients together may change.

    Args:
        grads: List of gradients (tensors). `None` stays `None`. In a sparse gradient,
            rows with the same index are summed first.
        max_norm: Float above 0, the largest norm.

    Returns:
        List of gradients in their own dtypes, computed in float32 or wider.

    Raises:
        ValueError: If `max_norm` is not a finite number above 0.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import clip_by_norm
        >>> [g] = clip_by_norm([keras.ops.array([30.0, 40.0])], 25.0)
        >>> keras.ops.convert_to_numpy(g).tolist()
        [15.0, 20.0]

    Reference:
        Pascanu et al., [On the difficulty of training recurrent neural
        networks](https://arxiv.org/abs/1211.5063), 2013.
    """
    max_norm = number("max_norm", max_norm, 0, open_low=True)
    grads = [merge(g) for g in grads]
    tensors = [widened(values(g)) for g in grads if g is not None]
    found = iter(_norms(tensors) if tensors else [])
    return [None if g is None else _shrink(g, next(found), max_norm) for g in grads]


def clip_by_global_norm(
    grads: Sequence[Any], max_norm: Any, use_norm: Any = None
) -> list[Any]:
    """Scale all gradients by one factor so that their global norm is bounded.

    `g = g * max_norm / max(global_norm(grads), max_norm)`, which keeps the direction
    of the step.

    Args:
        grads: List of gradients (tensors). `None` stays `None`. In a sparse gradient,
            rows with the same index are summed first.
        max_norm: Float above 0, the largest norm, or a scalar tensor, which is not
            checked.
        use_norm: Scalar tensor, the global norm if it was computed before. Defaults to
            `None`: it is computed here.

    Returns:
        List of gradients in their own dtypes, computed in float32 or wider. If one
        gradient is not finite, all of them become NaN, so the problem stays visible.

    Raises:
        ValueError: If `max_norm` is neither a tensor nor a finite number above 0.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import clip_by_global_norm
        >>> grads = [keras.ops.array([30.0]), keras.ops.array([40.0])]
        >>> [float(g[0]) for g in clip_by_global_norm(grads, 25.0)]
        [15.0, 20.0]

    Reference:
        Pascanu et al., [On the difficulty of training recurrent neural
        networks](https://arxiv.org/abs/1211.5063), 2013.
    """
    if not ops.is_tensor(max_norm):
        max_norm = number("max_norm", max_norm, 0, open_low=True)
    grads = [merge(g) for g in grads]
    norm = use_norm
    if norm is None:
        norm = _joint_norm([values(g) for g in grads if g is not None])
    return [None if g is None else _shrink(g, norm, max_norm) for g in grads]


def _shrink(grad, norm, max_norm):
    # `norm - norm` makes the factor NaN for an infinite norm. A factor of 0 would turn
    # a broken step into a small one.
    factor = max_norm / ops.maximum(norm, max_norm) + (norm - norm)
    return _mapped(lambda x: ops.multiply(x, factor), grad)


def _mapped(function, grad):
    """Apply a function to the values of a gradient, in float32 or wider."""
    tensor = ops.convert_to_tensor(values(grad))
    return with_values(grad, ops.cast(function(widened(tensor)), tensor.dtype))


def adaptive_clip(
    grads: Sequence[Any],
    params: Sequence[Any],
    clip_factor: float = 0.01,
    eps: float = 1e-3,
    axis: int | Sequence[int] | None = None,
) -> list[Any]:
    """Clip the gradient of each unit to a fraction of the norm of its weights.

    `g = g * limit / max(norm(g), limit)`, unit by unit, with
    `limit = clip_factor * max(norm(weights), eps)`.

    Args:
        grads: List of gradients (tensors). `None` stays `None`. In a sparse gradient,
            rows with the same index are summed first.
        params: List of the weights, in the same order.
        clip_factor: Float above 0, the largest ratio of the norm of a unit's gradient
            to the norm of its weights. Defaults to `0.01`.
        eps: Float above 0, a lower bound on the norm of the weights. Without it,
            weights that start at 0 could never change. Defaults to `1e-3`.
        axis: Int or tuple of ints, the axes over which the norm of a unit is taken, the
            same for all weights. Defaults to `None`: chosen by the number of axes, as
            in `unitwise_norm`.

    Returns:
        List of gradients in their own dtypes, computed in float32 or wider.

    Raises:
        ValueError: If `clip_factor` or `eps` is not above 0, if `axis` is out of range,
            or if `grads` and `params` differ in number or shape.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import adaptive_clip
        >>> weight = keras.ops.array([[6.0, 0.0], [8.0, 2.5]])
        >>> grad = keras.ops.array([[3.0, 3.0], [4.0, 4.0]])
        >>> [g] = adaptive_clip([grad], [weight], clip_factor=1.0)
        >>> keras.ops.convert_to_numpy(g).tolist()
        [[3.0, 1.5], [4.0, 2.0]]

    Reference:
        Brock et al., [High-performance large-scale image recognition without
        normalization](https://arxiv.org/abs/2102.06171), 2021.
    """
    clip_factor = number("clip_factor", clip_factor, 0, open_low=True)
    eps = number("eps", eps, 0, open_low=True)
    grads, params = [merge(g) for g in grads], list(params)
    if len(grads) != len(params):
        counts = {"grads": len(grads), "params": len(params)}
        fail("`grads` and `params` must have the same length.", **counts)
    pairs = [(g, p) for g, p in zip(grads, params, strict=True) if g is not None]
    clipped = iter(_clip_units(pairs, clip_factor, eps, axis) if pairs else [])
    return [None if g is None else next(clipped) for g in grads]


def _clip_units(pairs, clip_factor, eps, axis):
    for grad, param in pairs:
        _check_shapes(grad, param)
    tensors = [widened(values(g)) for g, _ in pairs]
    weights = [widened(p) for _, p in pairs]
    axes = [_unit_axes(weight.shape, axis) for weight in weights]
    found = _norms(tensors + weights, axes * 2, keepdims=True)
    count = len(pairs)
    clipped = []
    for (grad, _), tensor, norm, weight_norm in zip(
        pairs, tensors, found[:count], found[count:], strict=True
    ):
        limit = clip_factor * ops.maximum(weight_norm, eps)
        if is_sparse(grad) and limit.shape[0] != 1:
            limit = ops.take(limit, grad.indices, axis=0)
        tensor = ops.multiply(tensor, ops.divide(limit, ops.maximum(norm, limit)))
        clipped.append(with_values(grad, ops.cast(tensor, values(grad).dtype)))
    return clipped


def _check_shapes(grad, param):
    shapes = {"gradient": tuple(values(grad).shape), "weight": tuple(param.shape)}
    equal = len(shapes["gradient"]) == len(shapes["weight"])
    for axis, (size, desired) in enumerate(zip(*shapes.values(), strict=False)):
        # The first axis of a sparse gradient holds only the rows that were used.
        if not (axis == 0 and is_sparse(grad)) and size is not None:
            equal &= size == desired
    if not equal:
        fail("A gradient must have the same shape as its parameter.", **shapes)


def global_norm(grads: Sequence[Any]) -> Any:
    """Return the L2 norm of all gradients together.

    `sqrt(sum(g ** 2))` over every entry of every gradient. The result is correct up to
    the largest float32, although squares in float32 overflow above 1.8e19.

    Args:
        grads: List of gradients (tensors). `None` counts as zero. In a sparse gradient,
            rows with the same index are summed first.

    Returns:
        Scalar tensor, float32 or wider. It is infinite or NaN if and only if a gradient
        is not finite or the norm exceeds the largest float32.

    Raises:
        TypeError: Or ValueError, from the backend, if a gradient is not numeric.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import global_norm
        >>> float(global_norm([keras.ops.array([3.0]), None, keras.ops.array([4.0])]))
        5.0

    Reference:
        Pascanu et al., [On the difficulty of training recurrent neural
        networks](https://arxiv.org/abs/1211.5063), 2013.
    """
    return _joint_norm([values(merge(g)) for g in grads if g is not None])


def unitwise_norm(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Return the L2 norm of each unit of a weight, broadcast to the weight's shape.

    The weights of a unit are those of one output: a column of a dense kernel, a filter
    of a convolution.

    Args:
        x: Tensor, a weight or its gradient.
        axis: Int or tuple of ints, the axes over which a norm is taken. Defaults to
            `None`: all axes for scalars and vectors (axes of size 1 do not count), axis
            0 for two and three axes, all but the last for four and five. Kernels of
            `Conv1D` have three axes: pass `(0, 1)` for the norms of their filters.

    Returns:
        Tensor with the shape of `x`, float32 or wider.

    Raises:
        ValueError: If `axis` is out of range, or if it is `None` and `x` has more than
            five axes.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import unitwise_norm
        >>> norms = unitwise_norm(keras.ops.array([[3.0, 1.0], [4.0, 0.0]]))
        >>> keras.ops.convert_to_numpy(norms).tolist()
        [[5.0, 1.0], [5.0, 1.0]]

    Reference:
        Brock et al., [High-performance large-scale image recognition without
        normalization](https://arxiv.org/abs/2102.06171), 2021.
    """
    x = widened(x)
    [norm] = _norms([x], [_unit_axes(x.shape, axis)], keepdims=True)
    return ops.broadcast_to(norm, x.shape)


# The norms that the functions above share.


def _unit_axes(shape, axis=None):
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


def _norms(tensors, axes=None, keepdims=False):
    """Return the L2 norm of each tensor, over all or the given axes.

    Only if squares overflow, the norms are computed again from scaled numbers, which
    takes two more passes over the tensors.
    """
    axes = axes or [None] * len(tensors)
    pairs = list(zip(tensors, axes, strict=True))
    squares = [ops.sum(ops.square(x), axis, keepdims) for x, axis in pairs]
    flat = ops.concatenate([ops.reshape(s, (-1,)) for s in squares])
    return _where(
        ops.any(ops.isinf(flat)),
        lambda: [_scaled_norm(x, axis, keepdims) for x, axis in pairs],
        lambda: [ops.sqrt(s) for s in squares],
    )


def _joint_norm(tensors):
    """Return the L2 norm of all tensors together, 0 if there are none."""
    if not tensors:
        return ops.zeros((), "float32")
    return _scaled_norm(ops.stack(_norms([widened(x) for x in tensors])))


def _scaled_norm(x, axis=None, keepdims=False):
    peak = ops.max(ops.abs(x), axis, keepdims, initial=0.0)
    peak = ops.where((peak == 0) | ops.isinf(peak), ops.ones_like(peak), peak)
    return peak * ops.sqrt(ops.sum(ops.square(x / peak), axis, keepdims))


def _where(condition, yes, no):
    try:
        holds = bool(condition)
    except TypeError:  # while a graph is traced, the tensor has no value
        return ops.cond(condition, yes, no)
    # In eager mode JAX would compile both branches at every call of `cond`.
    return yes() if holds else no()
