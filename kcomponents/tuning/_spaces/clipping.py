"""The choice of how to clip gradients."""

import functools

import keras

from kcomponents._check import one_of
from kcomponents.optimizers import clipped
from kcomponents.tuning._spaces.ranges import (
    choices_of,
    default_of,
    log_float,
    positive_range,
)

THRESHOLDS = {
    "global_clipnorm": (0.1, 10.0),
    "clipnorm": (0.1, 10.0),
    "clipvalue": (0.01, 1.0),
    "agc": (0.001, 0.1),
}


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


def choose(hp, name, choices, thresholds):
    """Register the choice and its threshold, and return the `Clip` for it."""
    check = functools.partial(one_of, "choices", choices=("none", *THRESHOLDS))
    choices = choices_of(choices, check)
    thresholds = {**THRESHOLDS, **({} if thresholds is None else thresholds)}
    for kind, bounds in thresholds.items():
        one_of("thresholds", kind, tuple(THRESHOLDS))
        positive_range(kind, bounds)
    chosen = hp.Choice(name, choices, default=default_of(choices, "none"))
    bounds = {}
    for kind in choices:
        if kind != "none":
            with hp.conditional_scope(name, [kind]):
                threshold = log_float(hp, f"{name}/{kind}", thresholds[kind])
            bounds |= {kind: threshold} if chosen == kind else {}
    return Clip(bounds)
