"""Versions of the libraries that a trial ran with."""

import functools
import importlib.metadata
import platform

import keras

from kcomponents._version import __version__

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
