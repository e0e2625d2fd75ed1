"""Fingerprint: what makes a search this one, so that no other goes on with it."""

import difflib
import functools
import hashlib
import inspect
import json

import keras
import numpy as np

# Of arrays beyond so many bytes, rows here and there are looked at.
BYTES = 2**24
# Arguments of `fit` that change nothing in what is found.
NO_MATTER = ("verbose",)


def fingerprint(search, space, args, kwargs):
    """Return plain values that differ if space, code, data or settings do."""
    told = search.settings.told()
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
            **{name: told[name] for name in ("sampler", "pruner", "seed")},
            "backend": keras.backend.backend(),
        },
    }


def differences(before, now):
    """Return lines that show what changed, none if nothing did."""
    lines = []
    for part in before:
        old, new = _lines(before[part]), _lines(now.get(part))
        if old != new:
            found = difflib.unified_diff(
                old, new, f"{part} of the search in the store", f"{part} now", n=1
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
        told = [f"{name} = {_described(value)}" for name, value in given.items()]
        return "\n".join([_source(build.func), *told])
    return _source(build)


def _source(thing):
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        # As of what was typed in, or is callable by its class.
        code = getattr(thing, "__code__", None)
        return "" if code is None else hashlib.sha256(code.co_code).hexdigest()


def _described(value):
    """Return what tells one argument of `fit` from another."""
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
