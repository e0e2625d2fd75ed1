"""regularizer: the choice of a penalty on weights, none among them."""

from kcomponents.tuning._spaces.regularizer import choose


def regularizer(hp, name="regularizer", l1=(1e-7, 1e-3), l2=(1e-6, 1e-2)):
    """Let a search choose a penalty on weights, or none.

    Registers a choice of `"none"`, `"l1"`, `"l2"` and `"l1_l2"`, and the strengths
    `name/l1` and `name/l2` on a logarithmic scale where they are needed. No logarithmic
    scale reaches 0, so `"none"` is a choice of its own, and the one a search begins
    with.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the choice. Defaults to `"regularizer"`.
        l1: Pair of floats above 0, lowest and highest strength of the absolute values,
            or `None` to leave them out. Defaults to `(1e-7, 1e-3)`.
        l2: The same for the squares. Defaults to `(1e-6, 1e-2)`.

    Returns:
        A fresh `keras.regularizers.Regularizer`, or `None`.

    Raises:
        ValueError: If both are `None`, or a range is not within the positive numbers.

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
