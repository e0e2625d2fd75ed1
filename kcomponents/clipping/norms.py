"""global_norm and unitwise_norm: the norms that clipping bounds."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from kcomponents._precision import widened
from kcomponents._sparse import merge, values
from kcomponents.clipping._norms import joint_norm, norms, unit_axes


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

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063
    """
    return joint_norm([values(merge(g)) for g in grads if g is not None])


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

    Reference: Brock et al., "High-performance large-scale image recognition without
    normalization", 2021, https://arxiv.org/abs/2102.06171
    """
    x = widened(x)
    [norm] = norms([x], [unit_axes(x.shape, axis)], keepdims=True)
    return ops.broadcast_to(norm, x.shape)
