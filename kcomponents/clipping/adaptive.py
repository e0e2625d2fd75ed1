"""adaptive_clip: bound each unit's gradient relative to the unit's weights."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from kcomponents._check import fail, number
from kcomponents._precision import widened
from kcomponents._sparse import is_sparse, merge, values, with_values
from kcomponents.clipping._norms import norms, unit_axes


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
            or if `grads` and `params` do not match in number or shape.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import adaptive_clip
        >>> weight = keras.ops.array([[6.0, 0.0], [8.0, 2.5]])
        >>> grad = keras.ops.array([[3.0, 3.0], [4.0, 4.0]])
        >>> [g] = adaptive_clip([grad], [weight], clip_factor=1.0)
        >>> keras.ops.convert_to_numpy(g).tolist()
        [[3.0, 1.5], [4.0, 2.0]]

    Reference: Brock et al., "High-performance large-scale image recognition without
    normalization", 2021, https://arxiv.org/abs/2102.06171
    """
    clip_factor = number("clip_factor", clip_factor, 0, open_low=True)
    eps = number("eps", eps, 0, open_low=True)
    grads, params = [merge(g) for g in grads], list(params)
    if len(grads) != len(params):
        counts = {"grads": len(grads), "params": len(params)}
        fail("`grads` and `params` must have the same length.", **counts)
    pairs = [(g, p) for g, p in zip(grads, params, strict=True) if g is not None]
    clipped = iter(_clip(pairs, clip_factor, eps, axis) if pairs else [])
    return [None if g is None else next(clipped) for g in grads]


def _clip(pairs, clip_factor, eps, axis):
    tensors = [widened(values(g)) for g, _ in pairs]
    weights = [widened(p) for _, p in pairs]
    for tensor, weight in zip(tensors, weights, strict=True):
        # The first axis of a sparse gradient holds only the rows that were used.
        shapes = {"gradient": tuple(tensor.shape), "weight": tuple(weight.shape)}
        if (
            len(set(map(len, shapes.values()))) > 1
            or shapes["gradient"][1:] != (shapes["weight"][1:])
        ):
            fail("A gradient must have the same shape as its parameter.", **shapes)
    axes = [unit_axes(weight.shape, axis) for weight in weights]
    found = norms(tensors + weights, axes * 2, keepdims=True)
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
