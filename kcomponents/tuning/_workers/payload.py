"""Payload: a search on its way to another process."""

import os

import keras
import numpy as np

from kcomponents._files import whole_file
from kcomponents.tuning._engine.data import fit_arguments
from kcomponents.tuning._engine.tuner import StoreTuner
from kcomponents.tuning._optional import needed

# Arrays of so many bytes and more are kept once, and read where they are needed.
LARGE = 2**20


class Mapped:
    """An array in a file, which all workers read without a copy in memory.

    Args:
        array: Array of numpy.
        path: Where to write it.
    """

    def __init__(self, array, path):
        self.path = os.path.abspath(path)
        with whole_file(path) as file:
            np.lib.format.write_array(
                file, np.ascontiguousarray(array), allow_pickle=False
            )

    def read(self):
        """Return the array."""
        return np.load(self.path, mmap_mode="r")


def packed(search, args, kwargs):
    """Return the search as bytes for a worker.

    Raises:
        ValueError: If the model or the data cannot be sent.
    """
    folder = data_folder(search)
    os.makedirs(folder, exist_ok=True)
    given, place = _mapped((args, kwargs), folder), search.store.place
    directory = os.path.abspath(search.directory)
    told = {
        # One that extends a search works in its own way there too.
        "kind": type(search),
        "settings": search.settings,
        "hypermodel": search.hypermodel,
        "space": search.oracle.get_space(),
        # Workers may have another working folder.
        "given": {**search.given, "directory": directory, "overwrite": False},
        "store": place if "://" in place else os.path.abspath(place),
        "dtype": keras.config.dtype_policy().name,
        "fit": given,
    }
    try:
        return needed("cloudpickle").dumps(told)
    except Exception as error:
        rule = "What is sent to workers must be arrays and functions"
        how = "Of datasets and generators, give a function that makes them: "
        raise ValueError(
            f"{rule} ({error}). {how}`search(data=make_data)`, which returns arguments "
            f"of `fit`. Received: {', '.join(_kinds(args, kwargs))}"
        ) from error


def data_folder(search):
    """Return the folder for what this process sends to its workers."""
    return os.path.join(search.project_dir, f"data-{os.getpid()}")


def unpacked(content):
    """Return the search and the arguments of `fit` in a worker."""
    told = needed("cloudpickle").loads(content)
    keras.config.set_dtype_policy(told["dtype"])
    settings = told["settings"]
    settings.store, settings.workers = told["store"], None
    kind = told["kind"]
    search = kind.__new__(kind)
    given, space = told["given"], told["space"]
    StoreTuner.__init__(search, told["hypermodel"], settings, given, space)
    args, kwargs = keras.tree.map_structure(_read, told["fit"])
    return search, *fit_arguments(args, kwargs)


def _mapped(structure, folder):
    count = iter(range(1_000_000))

    def mapped(leaf):
        plain = isinstance(leaf, np.ndarray) and not leaf.dtype.hasobject
        if plain and leaf.nbytes >= LARGE:
            return Mapped(leaf, os.path.join(folder, f"{next(count)}.npy"))
        return leaf

    return keras.tree.map_structure(mapped, structure)


def _read(leaf):
    return leaf.read() if isinstance(leaf, Mapped) else leaf


def _kinds(args, kwargs):
    told = [type(arg).__name__ for arg in args]
    return told + [f"{name}={type(value).__name__}" for name, value in kwargs.items()]
