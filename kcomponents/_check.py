"""Argument checks: each message names the rule, then the value received."""

import difflib
import math
import numbers


def fail(rule, /, **received):
    """Raise a ValueError that states the rule and shows what was received."""
    shown = ", ".join(f"{name}={value!r}" for name, value in received.items())
    raise ValueError(f"{rule} Received: {shown}")


def positive_int(name, value):
    """Return `value` as an int, or refuse anything but a whole number above 0."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 1:
        fail(f"`{name}` must be a positive integer.", **{name: value})
    return int(value)


def number(name, value, low=-math.inf, high=math.inf, *, open_low=False):
    """Return `value` as a Python float, or refuse what is not finite or out of range.

    The range is closed, or open at `low` with `open_low=True`. Scalars of numpy pass;
    booleans, strings and NaN do not.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    inside = real and math.isfinite(value) and low <= value <= high
    if not inside or (open_low and value == low):
        limits = [f"{'above' if open_low else 'at least'} {low}"] * (low > -math.inf)
        limits += [f"at most {high}"] * (high < math.inf)
        rule = ", ".join(["a finite number", " and ".join(limits)][: 1 + bool(limits)])
        fail(f"`{name}` must be {rule}.", **{name: value})
    return float(value)


def interval(lower, upper):
    """Return both bounds as floats, or refuse all but finite `0 <= lower <= upper`."""
    bounds = (lower, upper)
    real = all(isinstance(b, numbers.Real) and b is not True for b in bounds)
    if not real or not 0 <= lower <= upper < math.inf:
        fail("Need 0 <= lower <= upper, both finite.", lower=lower, upper=upper)
    return float(lower), float(upper)


def one_of(name, value, choices):
    """Return `value`, or refuse it and name the choices nearest to it."""
    if value not in choices:
        near = difflib.get_close_matches(str(value), list(choices)) or choices
        hint = ", ".join(repr(choice) for choice in near)
        fail(f"`{name}` is unknown. Did you mean one of {hint}?", **{name: value})
    return value


def whole_axis(axis):
    """Return `axis` as an int; its range is known only once a weight comes."""
    if isinstance(axis, bool) or not isinstance(axis, numbers.Integral):
        fail("`axis` must be an integer.", axis=axis)
    return int(axis)


def axis_in(name, axis, rank):
    """Return `axis` counted from 0, or refuse what lies outside a tensor's rank."""
    whole = isinstance(axis, numbers.Integral) and not isinstance(axis, bool)
    if not whole or not -rank <= axis < rank:
        fail(f"`{name}` must be an integer in [-{rank}, {rank}).", **{name: axis})
    return int(axis) % rank
