"""Keras objects and their settings as plain values for JSON."""

import math

import keras
import numpy as np


def facts(thing):
    """Return `{"class": name, "config": settings}` of a Keras object."""
    try:
        config = thing.get_config()
    except (AttributeError, NotImplementedError):
        config = {}
    return {"class": type(thing).__name__, "config": value(config)}


def value(thing):
    """Return a setting as a plain value, NaN and infinity as strings."""
    if thing is None or isinstance(thing, str | bool | int):
        return thing
    if isinstance(thing, dict):
        return _mapping(thing)
    if isinstance(thing, list | tuple | set):
        return [value(part) for part in thing]
    if isinstance(thing, float | np.generic | np.ndarray):
        return _numbers(thing)
    if isinstance(thing, keras.Variable) or keras.ops.is_tensor(thing):
        return _numbers(keras.ops.convert_to_numpy(thing))
    if hasattr(thing, "get_config"):
        return facts(thing)
    return custom(thing) if callable(thing) else str(thing)


def custom(thing):
    """Return the string that stands for a custom function."""
    return f"custom:{getattr(thing, '__name__', type(thing).__name__)}"


def _mapping(thing):
    if thing.get("class_name") in ("function", "__lambda__"):
        function = thing["config"] if thing["class_name"] == "function" else "<lambda>"
        return f"custom:{function}"
    if {"class_name", "config"} <= set(thing):
        return {"class": thing["class_name"], "config": value(thing["config"])}
    return {str(key): value(part) for key, part in thing.items()}


def _numbers(thing):
    if isinstance(thing, list):
        return [_numbers(part) for part in thing]
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else str(thing)
    # `tolist` turns numpy values into Python numbers and strings.
    return thing if isinstance(thing, str | bool | int) else _numbers(thing.tolist())
