"""Fingerprint: identifies a search, so that a different one does not resume it."""

import difflib
import functools
import hashlib
import importlib.metadata
import inspect
import json
import platform
import random

import keras
import numpy as np

from kcomponents._version import __version__

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


# Versions of the libraries that a trial ran with.

LIBRARIES = ("keras-tuner", "optuna", "numpy", keras.backend.backend())


@functools.cache
def versions():
    """Return the versions of the libraries that affect results, by name."""
    found = {"kcomponents": __version__, "python": platform.python_version()}
    found["keras"] = keras.__version__
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            # It is installed under another name, such as tensorflow-cpu.
            continue
    return found


# Guard: a search resumes only if it is the same search.


def guard(search, args, kwargs, command=None):
    """Store the fingerprint of a search, or refuse to resume a different one."""
    store, settings = search.store, search.settings
    facts = store.facts
    before = facts.get("fingerprint")
    if before is None and store.trials():
        _refuse(store, ["Another program created it."])
    if settings.seed is None:
        drawn = random.SystemRandom().randrange(2**31)
        settings.seed = facts.get("settings", {}).get("seed", drawn)
    now = fingerprint(search, search.oracle.get_space(), args, kwargs)
    if before is not None and (lines := differences(before, now)):
        _refuse(store, lines)
    given = {
        "fingerprint": now,
        "settings": settings.told(),
        "objective": {
            "name": search.oracle.objective.name,
            "direction": search.oracle.objective.direction,
        },
        "epochs": int(kwargs.get("epochs", 1)),
        "versions": versions(),
        "space": search.oracle.get_space().get_config(),
    }
    if command is not None:
        given["command"] = command
    for name, value in given.items():
        if facts.get(name) != value:
            store.set_fact(name, value)


def _refuse(store, lines):
    shown = "\n".join(lines)
    raise ValueError(
        f"A different search already exists in this store:\n{shown}\n"
        "Use another `project_name` (--name), or `overwrite=True` (--overwrite) to "
        "delete it. "
        f"Received: store={store.shown!r}, project_name={store.name!r}"
    )
