"""clip_by_value: bound every entry of every gradient."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from kcomponents._check import number
from kcomponents._precision import widened
from kcomponents._sparse import merge, values, with_values


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

    Reference: Mikolov, "Statistical language models based on neural networks", 2012,
    https://www.fit.vut.cz/study/phd-thesis/283/.en
    """
    value = number("value", value, 0, open_low=True)

    def clip(grad):
        tensor = ops.convert_to_tensor(values(grad))
        return with_values(
            grad, ops.cast(ops.clip(widened(tensor), -value, value), tensor.dtype)
        )

    return [None if g is None else clip(merge(g)) for g in grads]
