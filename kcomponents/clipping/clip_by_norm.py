"""clip_by_norm and clip_by_global_norm: bound the norm of gradients."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from kcomponents._check import number
from kcomponents._precision import widened
from kcomponents._sparse import merge, values, with_values
from kcomponents.clipping._norms import joint_norm, norms


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

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063
    """
    max_norm = number("max_norm", max_norm, 0, open_low=True)
    grads = [merge(g) for g in grads]
    tensors = [widened(values(g)) for g in grads if g is not None]
    found = iter(norms(tensors) if tensors else [])
    return [None if g is None else _shortened(g, next(found), max_norm) for g in grads]


def clip_by_global_norm(
    grads: Sequence[Any], max_norm: float, use_norm: Any = None
) -> list[Any]:
    """Scale all gradients by one factor so that their global norm is bounded.

    `g = g * max_norm / max(global_norm(grads), max_norm)`, which keeps the direction
    of the step.

    Args:
        grads: List of gradients (tensors). `None` stays `None`. In a sparse gradient,
            rows with the same index are summed first.
        max_norm: Float above 0, the largest norm.
        use_norm: Scalar tensor, the global norm if it was computed before. Defaults to
            `None`: it is computed here.

    Returns:
        List of gradients in their own dtypes, computed in float32 or wider. If one
        gradient is not finite, all of them become NaN, so the problem stays visible.

    Raises:
        ValueError: If `max_norm` is not a finite number above 0.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import clip_by_global_norm
        >>> grads = [keras.ops.array([30.0]), keras.ops.array([40.0])]
        >>> [float(g[0]) for g in clip_by_global_norm(grads, 25.0)]
        [15.0, 20.0]

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063
    """
    max_norm = number("max_norm", max_norm, 0, open_low=True)
    grads = [merge(g) for g in grads]
    norm = use_norm
    if norm is None:
        norm = joint_norm([values(g) for g in grads if g is not None])
    return [None if g is None else _shortened(g, norm, max_norm) for g in grads]


def _shortened(grad, norm, max_norm):
    tensor = ops.convert_to_tensor(values(grad))
    # `norm - norm` makes the factor NaN for an infinite norm. A factor of 0 would turn
    # a broken step into a small one.
    factor = max_norm / ops.maximum(norm, max_norm) + (norm - norm)
    return with_values(
        grad, ops.cast(ops.multiply(widened(tensor), factor), tensor.dtype)
    )
