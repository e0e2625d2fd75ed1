"""size: the number of configurations of a search space."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kcomponents.tuning._spaces.explore import space_of
from kcomponents.tuning._spaces.size import count

if TYPE_CHECKING:
    import keras_tuner


def size(
    hypermodel: "Callable | keras_tuner.HyperModel | keras_tuner.HyperParameters",
) -> int | float:
    """Return the number of configurations of a search space.

    A conditional hyperparameter counts only where its condition holds.

    Args:
        hypermodel: Function `build(hp)`, `keras_tuner.HyperModel`, or
            `keras_tuner.HyperParameters`. The first two are built a few times, once for
            each conditional scope.

    Returns:
        Int, or `math.inf` if there is a continuous range without a step.

    Raises:
        ValueError: If `build` raises it; any error of `build` is passed on.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hidden = tuning.activation(hp, "activation", ["relu", "prelu", "maxout"])
        >>> tuning.size(hp)  # ReLU; PReLU shared or not; maxout of 2, 3 or 4 pieces
        6
    """
    return count(space_of(hypermodel).space)
