"""global_norm and unitwise_norm: the lengths that clipping bounds."""

from keras import ops

from kcomponents._precision import widened
from kcomponents._sparse import merge, values
from kcomponents.clipping._norms import joint_norm, norms, unit_axes


def global_norm(grads):
    """L2 norm of all gradients together.

    `sqrt(sum(g ** 2))` over every entry of every gradient. It is right up to the
    largest float32, where the sum of squares itself overflows from 1.8e19 on.

    Args:
        grads: List of gradients. `None` counts as zero. Of a sparse gradient, rows of
            the same index are summed first.

    Returns:
        Scalar tensor of float32 or wider: infinite or NaN if, and only if, a gradient
        is not finite or the norm exceeds the largest float32.

    Raises:
        TypeError: Or ValueError, from the backend, if an entry holds no numbers.

    Example:
        >>> import keras
        >>> from kcomponents.clipping import global_norm
        >>> float(global_norm([keras.ops.array([3.0]), None, keras.ops.array([4.0])]))
        5.0

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063
    """
    return joint_norm([values(merge(g)) for g in grads if g is not None])


def unitwise_norm(x, axis=None):
    """L2 norm of each unit of a weight, repeated to the shape of the weight.

    A unit is what one output sees: a column of a dense kernel, a filter of a
    convolution.

    Args:
        x: Tensor, a weight or its gradient.
        axis: Int or tuple of ints, the axes that a norm sums over. Defaults to
            `None`: all for scalars and vectors (also with axes of size 1 beside), 0
            for two and three axes, all but the last for four and five. Kernels of
            `Conv1D` have three axes; `(0, 1)` gives the norms of their filters.

    Returns:
        Tensor of the shape of `x`, float32 or wider.

    Raises:
        ValueError: If `axis` is out of range, or `None` with more than five axes.

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
