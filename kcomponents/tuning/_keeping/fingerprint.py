"""Fingerprint: identifies a search, so that a different one does not resume it."""

import difflib
import functools
import hashlib
import inspect
import json

import keras
import numpy as np

# Larger arrays, in bytes, are hashed by evenly spaced rows.
BYTES = 2**24
# Arguments of `fit` that do not change the results.
NO_MATTER = ("verbose",)


def fingerprint(search, space, args, kwargs):
    """Return plain values that differ if space, code, data or settings do."""
    known = search.settings.told()
    objective = search.oracle.objective
    return {
        "space": {hp.name: _plain(hp.get_config()) for hp in space.space},
        "code": _code(search.hypermodel),
        "data": [_described(arg) for arg in args],
        "fit": {
            name: _described(value)
            for name, value in sorted(kwargs.items())
            if name not in NO_MATTER
        },
        "settings": {
            "objective": getattr(objective, "name_to_direction", objective.name),
            "direction": objective.direction,
            "executions_per_trial": search.executions_per_trial,
            **{name: known[name] for name in ("sampler", "pruner", "seed")},
            "backend": keras.backend.backend(),
        },
    }


def differences(before, now):
    """Return the changes as lines of a diff, none if nothing changed."""
    lines = []
    for part in before:
        old, new = _lines(before[part]), _lines(now.get(part))
        if old != new:
            found = difflib.unified_diff(
                old,
                new,
                f"{part} of the existing search",
                f"{part} of this search",
                n=1,
            )
            lines += [line.rstrip("\n") for line in found]
    return lines


def _lines(value):
    if isinstance(value, str):
        return value.splitlines()
    return json.dumps(value, indent=1, sort_keys=True, default=str).splitlines()


def _plain(value):
    return json.loads(json.dumps(value, default=str))


def _code(hypermodel):
    """Return the source of a build function or of the class of a hypermodel."""
    build = hypermodel.build
    if type(hypermodel).__name__ != "DefaultHyperModel":
        return _source(type(hypermodel))
    if isinstance(build, functools.partial):
        given = {**dict(enumerate(build.args)), **build.keywords}
        lines = [f"{name} = {_described(value)}" for name, value in given.items()]
        return "\n".join([_source(build.func), *lines])
    return _source(build)


def _source(thing):
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        # Code typed into a console, or a callable object, has no source file.
        code = getattr(thing, "__code__", None)
        return "" if code is None else hashlib.sha256(code.co_code).hexdigest()


def _described(value):
    """Return a plain value that identifies an argument of `fit`."""
    leaves = keras.tree.flatten(value)
    if len(leaves) != 1 or leaves[0] is not value:
        return [_described(leaf) for leaf in leaves]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {_digest(value)}"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return type(value).__qualname__


def _digest(array):
    step = max(1, array.nbytes // BYTES)
    rows = np.ascontiguousarray(array[::step] if array.ndim else array)
    content = repr(rows.tolist()).encode() if rows.dtype == object else rows.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
