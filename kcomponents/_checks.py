"""Argument checks: each message states the rule, then the value received."""

import difflib
import math
import numbers
from typing import Any, NoReturn

import numpy as np

from kcomponents._text import clean

# The most characters shown of a value, or of a rule that contains one.
LONGEST = 2000


def fail(rule: str, /, **received: Any) -> NoReturn:
    """Raise a ValueError that states the rule and shows what was received."""
    texts = ((_short(name), _short(_text(value))) for name, value in received.items())
    shown = ", ".join(f"{name}={text}" for name, text in texts)
    # A rule may contain a name from elsewhere, and the error may be printed.
    raise ValueError(clean(f"{_short(rule)} Received: {shown}"))


def _text(value):
    try:
        return repr(value)
    except Exception as error:
        # For example, endlessly nested lists or a number with too many digits.
        return f"<{type(value).__name__} that cannot be shown: {error}>"


def _short(text):
    """Return a text, without the middle if it is long."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def positive_int(name, value, high=math.inf):
    """Return `value` as an int; raise unless it is an integer from 1 to `high`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not 1 <= value <= high:
        most = f" of at most {high}" if high < math.inf else ""
        fail(f"`{name}` must be a positive integer{most}.", **{name: value})
    return int(value)


def positive_ints(name, values):
    """Return `values` as a tuple of ints; raise unless all are positive integers."""
    if not isinstance(values, list | tuple) or not values:
        fail(f"`{name}` must be a list of integers.", **{name: values})
    return tuple(positive_int(name, value) for value in values)


def number(name, value, low=-math.inf, high=math.inf, *, open_low=False):
    """Return `value` as a float; raise unless it is finite and in the range.

    The range includes both ends; `open_low=True` excludes `low`. Numpy scalars are
    accepted; booleans, strings and NaN are not.
    """
    found = math.nan if isinstance(value, bool) else _as_float(value)
    inside = math.isfinite(found) and low <= found <= high
    if not inside or (open_low and found == low):
        limits = [f"{'above' if open_low else 'at least'} {low}"] * (low > -math.inf)
        limits += [f"at most {high}"] * (high < math.inf)
        rule = ", ".join(["a finite number", " and ".join(limits)][: 1 + bool(limits)])
        fail(f"`{name}` must be {rule}.", **{name: value})
    return found


def _as_float(value):
    """Return a real number as a float, or NaN if it is none or too large."""
    try:
        return float(value) if isinstance(value, numbers.Real) else math.nan
    except OverflowError:
        return math.nan


def interval(lower, upper):
    """Return both bounds as floats; raise unless `0 <= lower <= upper`, both finite."""
    low, high = (math.nan if b is True else _as_float(b) for b in (lower, upper))
    if not 0 <= low <= high < math.inf:
        rule = "`lower` and `upper` must be finite, with 0 <= lower <= upper."
        fail(rule, lower=lower, upper=upper)
    return low, high


def boolean(name, value):
    """Return `value` as a bool; 0 and 1 are accepted, strings and arrays are not."""
    if not isinstance(value, bool | np.bool_ | numbers.Integral) or value not in (0, 1):
        fail(f"`{name}` must be a boolean.", **{name: value})
    return bool(value)


def one_of(name, value, choices):
    """Return `value`; if it is not one of the choices, raise and suggest some."""
    word = isinstance(value, str)
    if not word or value not in choices:
        near = difflib.get_close_matches(value, list(choices)) if word else []
        shown = ", ".join(repr(choice) for choice in near or choices)
        hint = f"Did you mean one of {shown}?" if near else f"Use one of {shown}."
        fail(f"`{name}` is unknown. {hint}", **{name: value})
    return value


def whole_axis(axis):
    """Return `axis` as an int; its range is checked later, with the weight."""
    if isinstance(axis, bool) or not isinstance(axis, numbers.Integral):
        fail("`axis` must be an integer.", axis=axis)
    return int(axis)


def axis_in(name, axis, rank):
    """Return `axis` counted from 0; raise if it is out of range for the rank."""
    whole = isinstance(axis, numbers.Integral) and not isinstance(axis, bool)
    if not whole or not -rank <= axis < rank:
        fail(f"`{name}` must be an integer in [-{rank}, {rank}).", **{name: axis})
    return int(axis) % rank
