"""The identity of a search: with another space, code or data, it does not resume."""

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

from kcomponents._text import clean
from kcomponents._version import __version__

# Larger arrays, in bytes, are hashed by evenly spaced rows.
BYTES = 2**24
# Arguments of `fit` that do not change the results.
NO_MATTER = ("verbose",)
LIBRARIES = ("keras-tuner", "optuna", "numpy", keras.backend.backend())


class Identity:
    """What identifies a search; it is stored when the search starts.

    Args:
        store: Store.
        settings: Settings.
        hypermodel: `keras_tuner.HyperModel`.
        oracle: `keras_tuner.Oracle`, with objective and space.
        executions: Integer, `executions_per_trial`.
    """

    def __init__(self, store, settings, hypermodel, oracle, executions):
        self.store, self.settings = store, settings
        self.hypermodel, self.oracle, self.executions = hypermodel, oracle, executions

    def check(self, args, kwargs, command=None):
        """Store the identity of the search; raise if the store has another search.

        Args:
            args: Positional arguments of `fit`.
            kwargs: Keyword arguments of `fit`.
            command: String, the command that repeats the search, or `None`.
        """
        facts = self.store.facts
        before = facts.get("fingerprint")
        if before is None and self.store.trials():
            self._refuse(["Another program created it."])
        if self.settings.seed is None:
            random_seed = random.SystemRandom().randrange(2**31)
            self.settings.seed = facts.get("settings", {}).get("seed", random_seed)
        now = self._fingerprint(args, kwargs)
        if before is not None and (lines := differences(before, now)):
            self._refuse(lines)
        for name, value in self._facts(now, kwargs, command).items():
            if facts.get(name) != value:
                self.store.set_fact(name, value)

    def _fingerprint(self, args, kwargs):
        """Return plain values that differ if space, code, data or settings do."""
        settings, objective = self.settings.as_dict(), self.oracle.objective
        return {
            "space": {
                hp.name: _plain(hp.get_config()) for hp in self.oracle.get_space().space
            },
            "code": _code(self.hypermodel),
            "data": [_described(arg) for arg in args],
            "fit": {
                name: _described(value)
                for name, value in sorted(kwargs.items())
                if name not in NO_MATTER
            },
            "settings": {
                "objective": getattr(objective, "name_to_direction", objective.name),
                "direction": objective.direction,
                "executions_per_trial": self.executions,
                **{name: settings[name] for name in ("sampler", "pruner", "seed")},
                "backend": keras.backend.backend(),
            },
        }

    def _facts(self, fingerprint, kwargs, command):
        objective = self.oracle.objective
        facts = {} if command is None else {"command": command}
        # One by one they are stored. The fingerprint is last: without it, a search that
        # was killed meanwhile can begin again. It needs the seed, which is a setting,
        # and a worker that finds settings needs all of the rest.
        return {
            **facts,
            "objective": {"name": objective.name, "direction": objective.direction},
            "epochs": int(kwargs.get("epochs", 1)),
            "versions": versions(),
            "space": self.oracle.get_space().get_config(),
            "settings": self.settings.as_dict(),
            "fingerprint": fingerprint,
        }

    def _refuse(self, lines):
        shown = "\n".join(clean(line, keep="\t") for line in lines)
        address, name = self.store.address, self.store.name
        raise ValueError(
            f"A different search already exists in this store:\n{shown}\n"
            "Use another `project_name` (--name), or `overwrite=True` (--overwrite) to "
            f"delete it. Received: store={address!r}, project_name={name!r}"
        )


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


def differences(before, now):
    """Return the changes of a fingerprint as lines of a diff, none if it is equal."""
    lines = []
    for part in before:
        old, new = _lines(before[part]), _lines(now.get(part))
        if old != new:
            diff = difflib.unified_diff(
                old,
                new,
                f"{part} of the existing search",
                f"{part} of this search",
                n=1,
            )
            lines += [line.rstrip("\n") for line in diff]
    return lines


def _lines(value):
    if isinstance(value, str):
        return value.splitlines()
    return json.dumps(value, indent=1, sort_keys=True, default=str).splitlines()


# Parts of a fingerprint


def _plain(value):
    return json.loads(json.dumps(value, default=str))


def _code(hypermodel):
    """Return the source of a build function or of the class of a hypermodel."""
    build = hypermodel.build
    if type(hypermodel).__name__ != "DefaultHyperModel":
        return _source(type(hypermodel))
    if isinstance(build, functools.partial):
        arguments = {**dict(enumerate(build.args)), **build.keywords}
        lines = [f"{name} = {_described(value)}" for name, value in arguments.items()]
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
