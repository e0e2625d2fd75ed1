"""Plain values: checks, conversion, and strict JSON with NaN and infinity."""

import json
import math
import numbers
from typing import Any

import numpy

from kcomponents._checks import fail

NOT_FINITE = ("nan", "inf", "-inf")
# The most levels of nested lists and dicts; Python's own limit is ten times higher.
DEEPEST = 100
# JSON in a file has a few levels around such values.
DEEPEST_JSON = DEEPEST + 10


def count(name: str, value: Any) -> int:
    """Return `value` as an int; raise unless it is a whole number of at least 0."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 0:
        fail(f"`{name}` must be a whole number of at least 0.", **{name: value})
    return int(value)


def string_keys(name: str, value: Any) -> dict[str, Any]:
    """Return `value`; raise unless it is a dict with string keys."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        fail(f"`{name}` must be a dict whose keys are strings.", **{name: value})
    return value


def floats(name: str, value: Any, depth: int = 0) -> float | list:
    """Return a number or an array as a float or lists of floats; NaN is kept."""
    if type(value) is float:
        return value
    _check_depth(name, depth)
    if isinstance(value, list | tuple):
        return [floats(name, part, depth + 1) for part in value]
    array = numpy.asarray(value)
    # For numpy, bfloat16 has the kind "V".
    if array.dtype.kind not in "iufV":
        fail(f"`{name}` must be a number or a list of numbers.", **{name: value})
    return array.astype(float).tolist()


def plain(value: Any, depth: int = 0) -> Any:
    """Return a copy of values that JSON can store; numpy values are converted."""
    _check_depth("value", depth)
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part, depth + 1) for part in value]
    if isinstance(value, numpy.generic | numpy.ndarray):
        return plain(value.tolist(), depth + 1)
    if value is not None and not isinstance(value, str | bool | int | float):
        rule = (
            "Values must be dicts with string keys, lists, strings, numbers, booleans "
            "or None."
        )
        fail(rule, value=value)
    return value


def _check_depth(name, depth):
    if depth > DEEPEST:
        rule = f"Lists and dicts must not be nested more than {DEEPEST} deep."
        fail(rule, **{name: depth})


def to_json(value: Any) -> str:
    """Return plain values as one line of strict JSON, with NaN as `"nan"`.

    Strings such as `"nan"` get a leading `'`; `from_json` reverses both.
    """
    return json.dumps(_encode(value, 0), allow_nan=False)


def from_json(text: str) -> Any:
    """Return the plain values from a text that `to_json` returned.

    Raises:
        ValueError: If it is not JSON, is nested too deep, or has a key twice.
    """
    try:
        return _decode(json.loads(text, object_pairs_hook=_unique), 0)
    except RecursionError:
        # Only a file from elsewhere is nested this deep.
        fail(f"Lists and dicts must not be nested more than {DEEPEST} deep.", text=text)


def _unique(pairs):
    """Return a dict; raise if a key is there twice, because one value would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        fail("A dict must have each key once.", keys=[key for key, _ in pairs])
    return found


def _encode(value, depth):
    if isinstance(value, dict | list) and depth > DEEPEST_JSON:
        _check_depth("value", depth)
    if isinstance(value, dict):
        return {key: _encode(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [_encode(part, depth + 1) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str) and value.lstrip("'") in NOT_FINITE:
        return f"'{value}"
    return value


def _decode(value, depth):
    if isinstance(value, dict | list) and depth > DEEPEST_JSON:
        _check_depth("value", depth)
    if isinstance(value, dict):
        return {key: _decode(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [_decode(part, depth + 1) for part in value]
    if isinstance(value, str) and value.lstrip("'") in NOT_FINITE:
        return float(value) if value in NOT_FINITE else value[1:]
    return value
