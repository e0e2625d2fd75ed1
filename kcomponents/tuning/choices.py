"""Let a search choose a regularizer, a dropout rate or a normalization layer."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from kcomponents._checks import fail, number, one_of
from kcomponents.regularizers import L1, L1L2, L2
from kcomponents.tuning._choice_arguments import (
    Layers,
    choices_of,
    default_of,
    log_float,
    positive_range,
)

if TYPE_CHECKING:
    import keras_tuner

LAYERS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
    "rms": keras.layers.RMSNormalization,
}


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
    return choose_regularizer(hp, name, l1, l2)


def choose_regularizer(hp, name, l1, l2):
    """Register the choice of a regularizer, and return a new one or None."""
    if l1 is None and l2 is None:
        fail("Pass a range for `l1` or `l2`: there is no choice.", l1=l1, l2=l2)
    ranges = {"l1": l1, "l2": l2}
    ranges = {k: positive_range(k, v) for k, v in ranges.items() if v is not None}
    both = ["l1_l2"] if len(ranges) == 2 else []
    chosen = hp.Choice(name, ["none", *ranges, *both])
    factors = {}
    for kind, bounds in ranges.items():
        with hp.conditional_scope(name, [kind, *both]):
            factors[kind] = log_float(hp, f"{name}/{kind}", bounds)
    if chosen == "none":
        return None
    if chosen == "l1_l2":
        return L1L2(**factors)
    return {"l1": L1, "l2": L2}[chosen](factors[chosen])


def dropout(
    hp: "keras_tuner.HyperParameters",
    name: str = "dropout",
    min_value: float = 0.0,
    max_value: float = 0.5,
    step: float | None = None,
) -> float:
    """Let a search choose a dropout rate.

    Pass the rate to `dropout(rate)` of the chosen `activation`, which returns a layer
    that suits it. Add this layer even if the rate is 0: trials with different rates
    then have the same structure and share one compiled model.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"dropout"`.
        min_value: Float in [0, 1), the lowest dropout rate and the default choice.
            Defaults to `0.0`.
        max_value: Float in [0, 1), the highest dropout rate. Defaults to `0.5`.
        step: Optional float, distance between two rates. Defaults to `None`, any rate
            in the range.

    Returns:
        Float, the dropout rate.

    Raises:
        ValueError: If a rate is out of range, or `min_value` exceeds `max_value`.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hidden = tuning.activation(hp, choices=["selu"])
        >>> layer = hidden.dropout(tuning.dropout(hp))
        >>> type(layer).__name__, layer.rate
        ('AlphaDropout', 0.0)

    Reference: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", 2014, https://jmlr.org/papers/v15/srivastava14a.html; Klambauer et
    al., "Self-Normalizing Neural Networks", 2017, https://arxiv.org/abs/1706.02515
    """
    return choose_dropout(hp, name, min_value, max_value, step)


def choose_dropout(hp, name, min_value, max_value, step=None):
    """Register a dropout rate, and return it."""
    low = number("min_value", min_value, 0)
    high = number("max_value", max_value, low)
    if high >= 1:
        fail("`max_value` must be below 1.", max_value=max_value)
    if step is not None:
        step = number("step", step, 0, open_low=True)
    return hp.Float(name, low, high, step=step)


def normalization(
    hp: "keras_tuner.HyperParameters",
    name: str = "normalization",
    choices: str | Sequence[str] = ("none", "batch", "layer"),
    **kwargs: Any,
) -> Layers:
    """Let a search choose a normalization layer.

    Call it once for each place in the model; all calls with the same name get the same
    kind. Put it between a linear layer and its activation: `linear, *rest =
    hidden.dense(64)`, then `[linear, *tuning.normalization(hp), *rest]`. Maxout is one
    layer together with its linear part, so the normalization follows it.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"normalization"`.
        choices: Strings, from `"none"`, `"batch"`, `"layer"` and `"rms"`. The default
            choice is `"none"` if it is there. Defaults to `("none", "batch", "layer")`.
        **kwargs: Arguments of the Keras layer, such as `axis`.

    Returns:
        List of new layers, empty for `"none"`. You can also call it on a tensor.

    Raises:
        ValueError: If `choices` is empty or has an unknown choice.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> tuning.normalization(hp)
        []
        >>> hp.values["normalization"] = "layer"
        >>> [type(layer).__name__ for layer in tuning.normalization(hp)]
        ['LayerNormalization']

    Reference: Ioffe and Szegedy, "Batch Normalization", 2015,
    https://arxiv.org/abs/1502.03167; Ba et al., "Layer Normalization", 2016,
    https://arxiv.org/abs/1607.06450
    """
    return choose_normalization(hp, name, choices, kwargs)


def choose_normalization(hp, name, choices, kwargs):
    """Register the choice of a normalization, and return a list of new layers."""
    check = functools.partial(one_of, "choices", choices=("none", *LAYERS))
    choices = choices_of(choices, check)
    chosen = hp.Choice(name, choices, default=default_of(choices, "none"))
    return Layers([] if chosen == "none" else [LAYERS[chosen](**kwargs)])
