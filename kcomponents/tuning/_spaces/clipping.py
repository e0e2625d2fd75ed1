"""The choice of a bound for gradients."""

import functools

import keras

from kcomponents._check import one_of
from kcomponents.optimizers import clipped
from kcomponents.tuning._spaces.ranges import (
    choices_of,
    log_float,
    plain_of,
    positive_range,
)

THRESHOLDS = {
    "global_norm": (0.1, 10.0),
    "norm": (0.1, 10.0),
    "value": (0.01, 1.0),
    "agc": (0.001, 0.1),
}


class Clip:
    """Called on an optimizer, it returns one that clips, or the same for no bounds."""

    def __init__(self, bounds):
        self.bounds = bounds

    def __repr__(self):
        return f"<Clip {self.bounds}>"

    def __call__(self, optimizer):
        if self.bounds:
            return clipped(optimizer, **self.bounds)
        return keras.optimizers.get(optimizer)


def choose(hp, name, choices, thresholds):
    """Register the choice of a bound, and return the `Clip` that sets it."""
    known = functools.partial(one_of, "choices", choices=("none", *THRESHOLDS))
    choices = choices_of(choices, known)
    thresholds = {**THRESHOLDS, **({} if thresholds is None else thresholds)}
    for kind, bounds in thresholds.items():
        one_of("thresholds", kind, tuple(THRESHOLDS))
        positive_range(kind, bounds)
    chosen = hp.Choice(name, choices, default=plain_of(choices, "none"))
    bounds = {}
    for kind in choices:
        if kind != "none":
            with hp.conditional_scope(name, [kind]):
                found = log_float(hp, f"{name}/{kind}", thresholds[kind])
            bounds |= {kind: found} if chosen == kind else {}
    return Clip(bounds)
