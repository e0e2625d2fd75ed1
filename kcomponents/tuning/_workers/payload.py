"""Payload: a search as bytes, to send to another process."""

import os

import keras
import numpy as np

from kcomponents._files import whole_file
from kcomponents._optional import needed
from kcomponents.tuning._engine.tuner import StoreTuner, fit_arguments

# Arrays of at least this many bytes are sent as memory-mapped files.
LARGE = 2**20


class Mapped:
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


def packed(search, args, kwargs):
    """Return the search as bytes for a worker.

    Raises:
        ValueError: If the model or the data cannot be sent.
    """
    folder = data_folder(search)
    os.makedirs(folder, exist_ok=True)
    given, place = _mapped((args, kwargs), folder), search.store.place
    directory = os.path.abspath(search.directory)
    payload = {
        # Workers need the same subclass of `Search`.
        "kind": type(search),
        "settings": search.settings,
        "hypermodel": search.hypermodel,
        "space": search.oracle.get_space(),
        # Workers may have another working directory.
        "given": {**search.given, "directory": directory, "overwrite": False},
        "store": place if "://" in place else os.path.abspath(place),
        "dtype": keras.config.dtype_policy().name,
        "fit": given,
    }
    try:
        return needed("cloudpickle").dumps(payload)
    except Exception as error:
        rule = "Arguments of `fit` must be arrays and functions to reach the workers"
        how = "For datasets and generators, use `search(data=make_data)`, a function"
        raise ValueError(
            f"{rule} ({error}). {how} that returns the arguments of `fit`. "
            f"Received: {', '.join(_kinds(args, kwargs))}"
        ) from error


def data_folder(search):
    """Return the folder for the arrays that this process sends to its workers."""
    return os.path.join(search.project_dir, f"data-{os.getpid()}")


def unpacked(content):
    """Return the search and the arguments of `fit` in a worker."""
    payload = needed("cloudpickle").loads(content)
    keras.config.set_dtype_policy(payload["dtype"])
    settings = payload["settings"]
    settings.store, settings.workers = payload["store"], None
    kind = payload["kind"]
    search = kind.__new__(kind)
    given, space = payload["given"], payload["space"]
    StoreTuner.__init__(search, payload["hypermodel"], settings, given, space)
    args, kwargs = keras.tree.map_structure(_read, payload["fit"])
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
    kinds = [type(arg).__name__ for arg in args]
    return kinds + [f"{name}={type(value).__name__}" for name, value in kwargs.items()]
