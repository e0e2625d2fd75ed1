"""Ranges and choices of a space, checked before any training."""

import math

from kcomponents._check import fail, number


def choices_of(choices, known=None):
    """Return the choices as a list of strings, or refuse none at all or unknown ones.

    `known(choice)` raises a `ValueError` for what it does not know.
    """
    found = [choices] if isinstance(choices, str) else list(dict.fromkeys(choices))
    if not found:
        fail("This is a space without a choice: give at least one.", choices=choices)
    for choice in found:
        if not isinstance(choice, str):
            fail("`choices` must be strings.", choices=choices)
        if known is not None:
            known(choice)
    return found


def plain_of(choices, *plain):
    """Return the plain choice, with which a search begins: the first if there is none.

    `plain` are the candidates, the best first.
    """
    return next((choice for choice in plain if choice in choices), choices[0])


def positive_range(name, bounds):
    """Return `(lowest, highest)` as floats, or refuse what has no logarithm."""
    try:
        low, high = bounds
    except (TypeError, ValueError):
        fail(f"`{name}` must be a pair, the lowest and the highest.", **{name: bounds})
    low = number(name, low, 0, open_low=True)
    return low, number(name, high, low)


def log_float(hp, name, bounds, default=None):
    """Register a number on a logarithmic scale, which begins in its middle."""
    low, high = bounds
    middle = float(f"{math.sqrt(low * high):.3g}") if default is None else default
    default = min(max(middle, low), high)
    return hp.Float(name, low, high, sampling="log", default=default)
