"""A search as bytes, to send to another process."""

import os

import keras
import numpy as np

from kcomponents._files import whole_file
from kcomponents._optional import require
from kcomponents.tuning._engine.tuner import StoreTuner, fit_arguments

# Arrays of at least this many bytes are sent as memory-mapped files.
LARGE = 2**20


def to_bytes(search, args, kwargs):
    """Return the search and the arguments of `fit` as bytes for a worker.

    Raises:
        ValueError: If the model or the data cannot be sent.
    """
    folder = search.presence.make_folder()
    directory, place = os.path.abspath(search.directory), search.store.place
    payload = {
        # Workers need the same subclass of `Search`.
        "kind": type(search),
        "settings": search.settings,
        "hypermodel": search.hypermodel,
        "space": search.oracle.get_space(),
        # Workers may have another working directory.
        "arguments": {**search.arguments, "directory": directory, "overwrite": False},
        "store": place if "://" in place else os.path.abspath(place),
        "dtype": keras.config.dtype_policy().name,
        "fit": _with_files((args, kwargs), folder),
    }
    try:
        return require("cloudpickle").dumps(payload)
    except Exception as error:
        rule = "Arguments of `fit` must be arrays and functions to reach the workers"
        how = "For datasets and generators, use `search(data=make_data)`, a function"
        raise ValueError(
            f"{rule} ({error}). {how} that returns the arguments of `fit`. "
            f"Received: {', '.join(_types(args, kwargs))}"
        ) from error


def from_bytes(content):
    """Return the search and the arguments of `fit` in a worker."""
    payload = require("cloudpickle").loads(content)
    keras.config.set_dtype_policy(payload["dtype"])
    settings = payload["settings"]
    settings.store, settings.workers = payload["store"], None
    kind = payload["kind"]
    search = kind.__new__(kind)
    arguments, space = payload["arguments"], payload["space"]
    StoreTuner.__init__(search, payload["hypermodel"], settings, arguments, space)
    args, kwargs = keras.tree.map_structure(_from_file, payload["fit"])
    return search, *fit_arguments(args, kwargs)


class ArrayFile:
    """An array in a file, which all workers share as memory-mapped data.

    Args:
        array: NumPy array.
        path: Path of the file to write.
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


def _with_files(structure, folder):
    """Return the structure, with large arrays replaced by files."""
    count = iter(range(1_000_000))

    def replaced(leaf):
        plain = isinstance(leaf, np.ndarray) and not leaf.dtype.hasobject
        if plain and leaf.nbytes >= LARGE:
            return ArrayFile(leaf, os.path.join(folder, f"{next(count)}.npy"))
        return leaf

    return keras.tree.map_structure(replaced, structure)


def _from_file(leaf):
    return leaf.read() if isinstance(leaf, ArrayFile) else leaf


def _types(args, kwargs):
    types = [type(arg).__name__ for arg in args]
    return types + [f"{name}={type(value).__name__}" for name, value in kwargs.items()]
