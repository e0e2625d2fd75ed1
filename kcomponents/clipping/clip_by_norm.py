"""clip_by_norm and clip_by_global_norm: bound the length of gradients."""

from keras import ops

from kcomponents._check import number
from kcomponents._precision import widened
from kcomponents._sparse import merge, values, with_values
from kcomponents.clipping._norms import joint_norm, norms


def clip_by_norm(grads, max_norm):
    """Shorten each gradient to an L2 norm of at most `max_norm`, one by one.

    `g = g * max_norm / max(norm(g), max_norm)`. Each keeps its direction; their sizes
    relative to each other may change.

    Args:
        grads: List of gradients. `None` stays `None`. Of a sparse gradient, rows of
            the same index are summed first.
        max_norm: Float above 0, the bound.

    Returns:
        List of gradients, each of its own dtype, computed in float32 or better.

    Raises:
        ValueError: Unless `max_norm` is a finite number above 0.

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


def clip_by_global_norm(grads, max_norm, use_norm=None):
    """Shorten all gradients by one factor, so that their joint norm is bounded.

    `g = g * max_norm / max(global_norm(grads), max_norm)`, which keeps the direction
    of the step.

    Args:
        grads: List of gradients. `None` stays `None`. Of a sparse gradient, rows of
            the same index are summed first.
        max_norm: Float above 0, the bound.
        use_norm: Optional scalar tensor, the global norm where it is known already.
            Defaults to `None`.

    Returns:
        List of gradients, each of its own dtype, computed in float32 or better. All
        are NaN if a gradient is not finite, so that it is not overlooked.

    Raises:
        ValueError: Unless `max_norm` is a finite number above 0.

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
    # An infinite norm makes this factor NaN, as `inf - inf` is: a factor of 0 would
    # pass a broken step off as a small one.
    factor = max_norm / ops.maximum(norm, max_norm) + (norm - norm)
    return with_values(
        grad, ops.cast(ops.multiply(widened(tensor), factor), tensor.dtype)
    )
