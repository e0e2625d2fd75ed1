"""Versions of what a trial was run with."""

import functools
import importlib.metadata
import platform

import keras

from kcomponents._version import __version__

LIBRARIES = ("keras-tuner", "optuna", "numpy", keras.backend.backend())


@functools.cache
def versions():
    """Return name → version of what a result depends on."""
    found = {"kcomponents": __version__, "python": platform.python_version()}
    found["keras"] = keras.__version__
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            # Installed under another name, as builds for one processor are.
            continue
    return found
