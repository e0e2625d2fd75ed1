"""The choice of an optimizer, its learning rate, momentum, weight decay, clipping."""

import functools
import inspect

import keras

from kcomponents._check import fail, number, one_of
from kcomponents.regularizers import exclude_from_decay
from kcomponents.tuning._spaces import clipping as _space_clipping
from kcomponents.tuning._spaces.ranges import choices_of, log_float, positive_range

# Default learning rates, the second for all other optimizers.
USUAL = {"sgd": 0.01}
OF_OTHERS = 0.001


@functools.cache
def kinds():
    """Return lowercase name → class of Keras's optimizers."""
    own = keras.optimizers
    left_out = own.Optimizer, own.LossScaleOptimizer
    classes = [
        value
        for value in vars(own).values()
        if inspect.isclass(value) and issubclass(value, own.Optimizer)
    ]
    return {cls.__name__.lower(): cls for cls in classes if cls not in left_out}


def choose(hp, name, choices, learning_rate, momentum, weight_decay, clipping):
    """Register the choice of an optimizer and its settings, and return a new one."""
    check = functools.partial(one_of, "choices", choices=tuple(kinds()))
    choices = choices_of(choices, check)
    chosen = hp.Choice(name, choices)
    settings = {}
    if learning_rate is not None:
        bounds = positive_range("learning_rate", learning_rate)
        default = USUAL.get(choices[0], OF_OTHERS)
        learning_rate = log_float(hp, f"{name}/learning_rate", bounds, default)
        settings["learning_rate"] = learning_rate
    if momentum is not None and "sgd" in choices:
        settings |= _momentum(hp, name, momentum)
    if weight_decay is not None:
        settings |= _decay(hp, name, weight_decay)
    settings = {key: value for key, value in settings.items() if value is not None}
    optimizer = kinds()[chosen](**settings)
    if clipping is not None:
        clip = _space_clipping.choose(hp, f"{name}/clipping", clipping, None)
        optimizer = clip(optimizer)
    return optimizer


def _momentum(hp, name, values):
    values = [number("momentum", value, 0, 1) for value in values]
    if not values:
        fail("`momentum` must have at least one choice, or be `None`.", momentum=values)
    with hp.conditional_scope(name, ["sgd"]):
        return {"momentum": hp.Choice(f"{name}/momentum", values)}


def _decay(hp, name, bounds):
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
