"""Ranges and choices of a search space, and their checks."""

import math

from kcomponents._check import fail, number


def choices_of(choices, check=None):
    """Return the choices as a list of strings without duplicates.

    `check(choice)` raises a `ValueError` for an unknown choice.
    """
    names = [choices] if isinstance(choices, str) else list(dict.fromkeys(choices))
    if not names:
        fail("There must be at least one choice.", choices=choices)
    for name in names:
        if not isinstance(name, str):
            fail("`choices` must be strings.", choices=choices)
        if check is not None:
            check(name)
    return names


def default_of(choices, default):
    """Return `default` if it is one of the choices, else the first choice."""
    return default if default in choices else choices[0]


def positive_range(name, bounds):
    """Return `(lowest, highest)` as floats; raise unless both are positive."""
    try:
        low, high = bounds
    except (TypeError, ValueError):
        fail(f"`{name}` must be a pair (lowest, highest).", **{name: bounds})
    low = number(name, low, 0, open_low=True)
    return low, number(name, high, low)


def log_float(hp, name, bounds, default=None):
    """Register a float on a log scale; the default is the middle of the scale."""
    low, high = bounds
    middle = float(f"{math.sqrt(low * high):.3g}") if default is None else default
    default = min(max(middle, low), high)
    return hp.Float(name, low, high, sampling="log", default=default)
