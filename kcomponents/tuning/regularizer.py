"""regularizer: let a search choose a regularizer and its factor."""

from typing import TYPE_CHECKING

import keras

from kcomponents.tuning._spaces.regularizer import choose

if TYPE_CHECKING:
    import keras_tuner


def regularizer(
    hp: "keras_tuner.HyperParameters",
    name: str = "regularizer",
    l1: tuple[float, float] | None = (1e-7, 1e-3),
    l2: tuple[float, float] | None = (1e-6, 1e-2),
) -> keras.regularizers.Regularizer | None:
    """Let a search choose a regularizer, or none.

    Registers a choice of `"none"`, `"l1"`, `"l2"` and `"l1_l2"`, and the regularization
    factors `name/l1` and `name/l2` on a log scale. A log scale has no 0, so `"none"` is
    a separate choice, and the default.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"regularizer"`.
        l1: Pair `(lowest, highest)` of floats above 0, range of the L1 factor, or
            `None` for no L1. Defaults to `(1e-7, 1e-3)`.
        l2: Pair `(lowest, highest)` of floats above 0, range of the L2 factor, or
            `None` for no L2. Defaults to `(1e-6, 1e-2)`.

    Returns:
        New `keras.regularizers.Regularizer`, or `None`.

    Raises:
        ValueError: If `l1` and `l2` are both `None`, or a range is invalid.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> tuning.regularizer(hp) is None
        True
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values = {"regularizer": "l2", "regularizer/l2": 0.003}
        >>> tuning.regularizer(hp).get_config()
        {'l2': 0.003}

    Reference: Zou and Hastie, "Regularization and variable selection via the elastic
    net", 2005, https://doi.org/10.1111/j.1467-9868.2005.00503.x
    """
    return choose(hp, name, l1, l2)
