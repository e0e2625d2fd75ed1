"""Let a search choose an optimizer with its settings, and how to clip gradients."""

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras

from kcomponents._checks import fail, number, one_of
from kcomponents.optimizers import clipped
from kcomponents.regularizers import exclude_from_decay
from kcomponents.tuning._choice_arguments import (
    choices_of,
    default_of,
    log_float,
    positive_range,
)

if TYPE_CHECKING:
    import keras_tuner

THRESHOLDS = {
    "global_clipnorm": (0.1, 10.0),
    "clipnorm": (0.1, 10.0),
    "clipvalue": (0.01, 1.0),
    "agc": (0.001, 0.1),
}
# Bounds that need no threshold.
ADAPTIVE = ("zscore", "percentile")
# Default learning rates, the second for all other optimizers.
DEFAULT_RATES = {"sgd": 0.01}
DEFAULT_RATE = 0.001


def optimizer(
    hp: "keras_tuner.HyperParameters",
    name: str = "optimizer",
    choices: str | Sequence[str] = ("adam", "sgd", "rmsprop"),
    learning_rate: tuple[float, float] | None = (1e-4, 1e-1),
    *,
    momentum: Sequence[float] | None = (0.0, 0.9, 0.99),
    weight_decay: tuple[float, float] | None = None,
    clipping: str | Sequence[str] | None = None,
    model: keras.Model | None = None,
) -> keras.optimizers.Optimizer:
    """Let a search choose an optimizer and its settings.

    Registers a choice called `name`, `name/learning_rate` on a log scale, and
    `name/momentum` for SGD. With `weight_decay`, it also registers `name/decay`
    (whether to decay weights) and `name/weight_decay`; with `clipping`, `name/clipping`
    as the function `clipping` does. The default is the first optimizer with its usual
    learning rate, without momentum, weight decay and clipping.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"optimizer"`.
        choices: Strings, names of Keras optimizers in lowercase. Defaults to `("adam",
            "sgd", "rmsprop")`.
        learning_rate: Pair `(lowest, highest)` of floats above 0, or `None` to use the
            optimizer's default. Defaults to `(1e-4, 1e-1)`.
        momentum: Floats in [0, 1], choices for SGD, or `None` for no choice. Defaults
            to `(0.0, 0.9, 0.99)`.
        weight_decay: Optional pair `(lowest, highest)` of floats above 0. Defaults to
            `None`, the optimizer's default.
        clipping: Optional strings, `choices` of the function `clipping`. Defaults to
            `None`, no clipping.
        model: Optional built model, whose biases, PReLU slopes, embeddings and
            normalization layers are excluded from weight decay. Defaults to `None`: use
            `kcomponents.regularizers.exclude_from_decay` instead.

    Returns:
        New `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If `choices` is empty, a choice is unknown, or a range is invalid.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> optimizer = tuning.optimizer(hp, choices=["sgd", "adam"])
        >>> hp.values
        {'optimizer': 'sgd', 'optimizer/learning_rate': 0.01, 'optimizer/momentum': 0.0}

    Reference: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019,
    https://arxiv.org/abs/1711.05101
    """
    arguments = learning_rate, momentum, weight_decay, clipping
    chosen = choose_optimizer(hp, name, choices, *arguments)
    return chosen if model is None else decay_kernels_only(chosen, model)


def choose_optimizer(
    hp, name, choices, learning_rate, momentum, weight_decay, clipping
):
    """Register the choice of an optimizer and its settings, and return a new one."""
    check = functools.partial(one_of, "choices", choices=tuple(optimizer_classes()))
    choices = choices_of(choices, check)
    chosen = hp.Choice(name, choices)
    settings = {}
    if learning_rate is not None:
        bounds = positive_range("learning_rate", learning_rate)
        default = DEFAULT_RATES.get(choices[0], DEFAULT_RATE)
        learning_rate = log_float(hp, f"{name}/learning_rate", bounds, default)
        settings["learning_rate"] = learning_rate
    if momentum is not None and "sgd" in choices:
        settings |= _choose_momentum(hp, name, momentum)
    if weight_decay is not None:
        settings |= _choose_decay(hp, name, weight_decay)
    settings = {key: value for key, value in settings.items() if value is not None}
    optimizer = optimizer_classes()[chosen](**settings)
    if clipping is not None:
        clip = choose_clipping(hp, f"{name}/clipping", clipping, None)
        optimizer = clip(optimizer)
    return optimizer


def _choose_momentum(hp, name, values):
    values = [number("momentum", value, 0, 1) for value in values]
    if not values:
        fail("`momentum` must have at least one choice, or be `None`.", momentum=values)
    with hp.conditional_scope(name, ["sgd"]):
        return {"momentum": hp.Choice(f"{name}/momentum", values)}


def _choose_decay(hp, name, bounds):
    bounds = positive_range("weight_decay", bounds)
    # A separate choice: a log scale has no 0.
    hp.Boolean(f"{name}/decay")
    with hp.conditional_scope(f"{name}/decay", [True]):
        return {"weight_decay": log_float(hp, f"{name}/weight_decay", bounds)}


def decay_kernels_only(optimizer, model):
    """Restrict weight decay to the kernels of a built model."""
    if optimizer.weight_decay:
        exclude_from_decay(optimizer, model)
    return optimizer


@functools.cache
def optimizer_classes():
    """Return lowercase name → class of Keras's optimizers."""
    own = keras.optimizers
    bases = own.Optimizer, own.LossScaleOptimizer
    classes = [
        value
        for value in vars(own).values()
        if inspect.isclass(value) and issubclass(value, own.Optimizer)
    ]
    return {cls.__name__.lower(): cls for cls in classes if cls not in bases}


class Clip:
    """Function that makes an optimizer clip gradients; without bounds, it does nothing.

    Args:
        bounds: Dict of arguments of `kcomponents.optimizers.clipped`.
    """

    def __init__(self, bounds):
        self.bounds = bounds

    def __repr__(self):
        return f"<Clip {self.bounds}>"

    def __call__(self, optimizer):
        if self.bounds:
            return clipped(optimizer, **self.bounds)
        return keras.optimizers.get(optimizer)


def clipping(
    hp: "keras_tuner.HyperParameters",
    name: str = "clipping",
    choices: str | Sequence[str] = ("none", "global_clipnorm"),
    thresholds: Mapping[str, tuple[float, float]] | None = None,
) -> Clip:
    """Let a search choose whether and how to clip gradients.

    Registers a choice called `name` and the threshold `name/<choice>` of each choice,
    on a log scale; for `"adaptive"`, the choice `name/adaptive` of `"zscore"` or
    `"percentile"`.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"clipping"`.
        choices: Strings, `"none"` and arguments of `kcomponents.optimizers.clipped`:
            `"global_clipnorm"`, `"clipnorm"`, `"clipvalue"`, `"agc"`, `"adaptive"`. The
            default choice is `"none"` if it is there. Defaults to `("none",
            "global_clipnorm")`.
        thresholds: Optional dict from choice to `(lowest, highest)` threshold, floats
            above 0. Defaults to 0.1 to 10 for norms, 0.01 to 1 for `"clipvalue"`,
            0.001 to 0.1 for `"agc"`.

    Returns:
        Function that takes an optimizer or its name, and returns one that clips.

    Raises:
        ValueError: If `choices` is empty, a choice is unknown, or a range is invalid.

    Example:
        >>> import keras, keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values["clipping"] = "global_clipnorm"
        >>> clip = tuning.clipping(hp)
        >>> clip
        <Clip {'global_clipnorm': 1.0}>
        >>> optimizer = clip(keras.optimizers.Adam(0.001))

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063; Brock et al., "High-performance
    large-scale image recognition without normalization", 2021,
    https://arxiv.org/abs/2102.06171
    """
    return choose_clipping(hp, name, choices, thresholds)


def choose_clipping(hp, name, choices, thresholds):
    """Register the choice and its threshold, and return the `Clip` for it."""
    known = "none", *THRESHOLDS, "adaptive"
    check = functools.partial(one_of, "choices", choices=known)
    choices = choices_of(choices, check)
    thresholds = {**THRESHOLDS, **({} if thresholds is None else thresholds)}
    for kind, bounds in thresholds.items():
        one_of("thresholds", kind, tuple(THRESHOLDS))
        positive_range(kind, bounds)
    chosen = hp.Choice(name, choices, default=default_of(choices, "none"))
    bounds = {}
    for kind in choices:
        if kind != "none":
            place = f"{name}/{kind}"
            with hp.conditional_scope(name, [kind]):
                if kind == "adaptive":
                    threshold = hp.Choice(place, ADAPTIVE)
                else:
                    threshold = log_float(hp, place, thresholds[kind])
            bounds |= {kind: threshold} if chosen == kind else {}
    return Clip(bounds)
