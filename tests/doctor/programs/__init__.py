"""Programs that train a model, badly or well, with the accepted labels of each.

Modules beside this one are `faulty_*` and `healthy_*`; they import from here by
`from . import program`, so that the folder works under any name it is imported by.
"""

import dataclasses
import hashlib
import importlib
import pathlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np

PROGRAMS = {}
DIGITS = pathlib.Path(__file__).parents[3] / "recipes" / "data" / "mnist10k.npz"


@dataclasses.dataclass(frozen=True)
class Program:
    """A program: its name, the function that trains, and the accepted labels."""

    name: str
    run: Callable[[list[Any]], Any]
    accepted: frozenset[str]
    theme: str
    doc: str


def program(*accepted):
    """Register a program: a function of `callbacks` that trains and returns a model.

    The doctor is right if one of its findings has an accepted label. No labels mean
    that the program is healthy and should get no findings.
    """

    def register(function):
        name = function.__name__
        theme = function.__module__.rpartition(".")[2]
        if name in PROGRAMS and PROGRAMS[name].theme != theme:
            raise ValueError(f"Two programs are called {name}.")
        doc = function.__doc__ or ""
        PROGRAMS[name] = Program(name, function, frozenset(accepted), theme, doc)
        return function

    return register


def load():
    """Import all modules of programs, and return the programs by name."""
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__)):
        if module.startswith(("faulty_", "healthy_")):
            importlib.import_module(f"{__name__}.{module}")
    return PROGRAMS


def held_out(name):
    """Return whether a program is in the half that the rules were not tuned on."""
    return bool(hashlib.sha256(name.encode()).digest()[-1] & 1)


def digits(rows=600):
    """Return images of digits, `(rows, 28, 28)` from 0 to 255, and their labels."""
    with np.load(DIGITS) as arrays:
        return arrays["x"][:rows].astype("float32"), arrays["y"][:rows].astype("int32")
