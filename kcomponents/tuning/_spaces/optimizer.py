"""The choice of an optimizer, its learning rate, momentum, weight decay and bound."""

import functools
import inspect

import keras

from kcomponents._check import fail, number, one_of
from kcomponents.regularizers import exclude_from_decay
from kcomponents.tuning._spaces import clipping as _space_clipping
from kcomponents.tuning._spaces.ranges import choices_of, log_float, positive_range

# What suits most trainings, where a search begins.
USUAL = {"sgd": 0.01}
OF_ALL = 0.001


@functools.cache
def kinds():
    """Return the classes of Keras's optimizers by their names in small letters."""
    own = keras.optimizers
    left_out = own.Optimizer, own.LossScaleOptimizer
    found = [
        value
        for value in vars(own).values()
        if inspect.isclass(value) and issubclass(value, own.Optimizer)
    ]
    return {kind.__name__.lower(): kind for kind in found if kind not in left_out}


def choose(hp, name, choices, learning_rate, momentum, weight_decay, clipping):
    """Register the choice of an optimizer, and return a fresh one."""
    known = functools.partial(one_of, "choices", choices=tuple(kinds()))
    choices = choices_of(choices, known)
    chosen = hp.Choice(name, choices)
    settings = {}
    if learning_rate is not None:
        bounds = positive_range("learning_rate", learning_rate)
        start = USUAL.get(choices[0], OF_ALL)
        rate = log_float(hp, f"{name}/learning_rate", bounds, start)
        settings["learning_rate"] = rate
    if momentum is not None and "sgd" in choices:
        settings |= _momentum(hp, name, momentum)
    if weight_decay is not None:
        settings |= _decay(hp, name, weight_decay)
    made = kinds()[chosen](**{k: v for k, v in settings.items() if v is not None})
    if clipping is not None:
        made = _space_clipping.choose(hp, f"{name}/clipping", clipping, None)(made)
    return made


def _momentum(hp, name, values):
    values = [number("momentum", value, 0, 1) for value in values]
    if not values:
        rule = "This is a space without a choice: give a value, or `None`."
        fail(rule, momentum=values)
    with hp.conditional_scope(name, ["sgd"]):
        return {"momentum": hp.Choice(f"{name}/momentum", values)}


def _decay(hp, name, bounds):
    bounds = positive_range("weight_decay", bounds)
    # No logarithmic scale reaches 0.
    hp.Boolean(f"{name}/decay")
    with hp.conditional_scope(f"{name}/decay", [True]):
        return {"weight_decay": log_float(hp, f"{name}/weight_decay", bounds)}


def spare(optimizer, model):
    """Keep weight decay, if there is any, to the kernels of a built model."""
    if optimizer.weight_decay:
        exclude_from_decay(optimizer, model)
    return optimizer
