"""State files: plain values and arrays in one file, checked when it is read.

Such a file is an `.npz` file, so that numpy reads the arrays, with the rest as JSON.
"""

import contextlib
import errno
import lzma
import struct
import zipfile
import zlib

import keras
import numpy as np

from kcomponents._check import fail
from kcomponents._files import whole_file
from kcomponents._plain import from_json, to_json

FORMAT = 1
HEADER = "kcomponents.json"
ARRAY = "__array__"
# What reading bytes of whatever kind may raise.
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(ArithmeticError, AttributeError, LookupError, RuntimeError),
    *(TypeError, ValueError),
)


class Damaged(ValueError):
    """A file that is cut off or garbled, or none of ours."""


def write_state(path, kind, state):
    """Write dicts and lists of plain values, arrays, tensors and variables, or nothing.

    Each tensor comes to the host by itself.
    """
    arrays, dtypes = [], []
    header = {"format": FORMAT, "kind": kind, "state": _apart(state, arrays)}
    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for index, array in enumerate(arrays):
            array = np.asarray(keras.ops.convert_to_numpy(array))
            dtypes.append(array.dtype.name)
            with archive.open(f"{index}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, _bits(array), allow_pickle=False)
        archive.writestr(HEADER, to_json({**header, "dtypes": dtypes}))


def read_state(path, kind, parts=None):
    """Return what was written, or raise `Damaged`.

    Args:
        path: Where the file is.
        kind: What it holds, in words.
        parts: Optional dict, what must be in it by name, and the type that it has.

    Raises:
        Damaged: If the file is not whole or of another kind, or a part is not there.
    """
    with opened_state(path, kind) as (state, arrays), _readable(path, kind):
        found = _together(state, arrays)
        if not all(isinstance(found[n], t) for n, t in (parts or {}).items()):
            raise ValueError("A part is of another type.")
        return found


@contextlib.contextmanager
def opened_state(path, kind):
    """Return a context with what was written, arrays by number, to be read one by one.

    The whole file is gone through first, and its checksums compared.

    Raises:
        Damaged: If the file is not whole or of another kind.
    """
    with _readable(path, kind), zipfile.ZipFile(path) as archive:
        torn = archive.testzip()
        header = from_json(archive.read(HEADER).decode())
        if torn or (header["format"], header["kind"]) != (FORMAT, kind):
            raise ValueError("A part is torn, or of another kind.")
        state, dtypes = header["state"], header["dtypes"]
    with zipfile.ZipFile(path) as archive:
        yield state, _Arrays(archive, dtypes, (path, kind))


@contextlib.contextmanager
def _readable(path, kind):
    """Return a context in which what broken bytes raise becomes `Damaged`."""
    try:
        yield
    except (*BROKEN, OSError) as error:
        # What leads out of the file has no other name; the rest is the disk's.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise Damaged(
            f"The file must be a whole one with {kind}, as kcomponents writes it; this "
            "one is damaged or another's. Move it away to begin anew. "
            f"Received: path={path!r}"
        ) from error


class _Arrays:
    """The arrays of an open file, each read when it is asked for."""

    def __init__(self, archive, dtypes, place):
        self._archive, self._dtypes, self._place = archive, dtypes, place

    def __getitem__(self, index):
        with _readable(*self._place), self._archive.open(f"{index}.npy") as member:
            bits = np.lib.format.read_array(member, allow_pickle=False)
            return bits.view(np.dtype(self._dtypes[index]))


def _bits(array):
    """Return an array of a type that numpy can save: others go as what they fill."""
    return array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array


def _apart(value, arrays):
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            fail("A state must have strings as keys.", keys=list(value))
        return {key: _apart(part, arrays) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_apart(part, arrays) for part in value]
    if isinstance(value, np.generic) and value.ndim == 0 and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(
        value, np.ndarray | np.generic | keras.Variable
    ) or keras.ops.is_tensor(value):
        arrays.append(value)
        return {ARRAY: len(arrays) - 1}
    return value


def _together(value, arrays):
    if isinstance(value, dict):
        if set(value) == {ARRAY}:
            return arrays[value[ARRAY]]
        return {key: _together(part, arrays) for key, part in value.items()}
    if isinstance(value, list):
        return [_together(part, arrays) for part in value]
    return value
