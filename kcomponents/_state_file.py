"""State files: plain values and arrays in one file, with checksums.

A state file is an `.npz` file, so numpy can load the arrays; everything else is stored
as JSON. `Generations` keeps the last state and the one before.
"""

import contextlib
import errno
import lzma
import os
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kcomponents._checks import fail
from kcomponents._files import Path, remove_torn, whole_file
from kcomponents._json_values import from_json, to_json

FORMAT = 1
HEADER = "kcomponents.json"
ARRAY = "__array__"
# All exceptions that reading a damaged file may raise.
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(ArithmeticError, AttributeError, LookupError, RuntimeError),
    *(TypeError, ValueError),
)


class DamagedFileError(ValueError):
    """A file is incomplete, damaged, or not a state file of the expected kind."""


def write_state(path: Path, kind: str, state: Any) -> None:
    """Write dicts and lists of plain values, arrays, tensors and variables to a file.

    The file is written completely or not at all. Tensors are copied to the host one at
    a time, to save memory.

    Args:
        path: Path of the file, in an existing folder.
        kind: String that describes its content, which `read_state` compares.
        state: Dicts with string keys, lists, plain values, arrays, tensors, variables.
    """
    arrays, dtypes = [], []
    header = {"format": FORMAT, "kind": kind, "state": _extract(state, arrays)}
    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for index, array in enumerate(arrays):
            array = np.asarray(keras.ops.convert_to_numpy(array))
            dtypes.append(array.dtype.name)
            with archive.open(f"{index}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, _bits(array), allow_pickle=False)
        archive.writestr(HEADER, to_json({**header, "dtypes": dtypes}))


def read_state(path: Path, kind: str, parts: dict[str, Any] | None = None) -> Any:
    """Return the state in a file.

    Args:
        path: Path of the file.
        kind: String that describes its content, as passed to `write_state`.
        parts: Dict of the name of each part that must be in the state → its type.
            Defaults to `None`, no check.

    Raises:
        DamagedFileError: If the file is incomplete or of another kind, or lacks a part.
    """
    with open_state(path, kind) as (state, arrays), _refuse_damage(path, kind):
        state = _insert(state, arrays)
        if not all(isinstance(state[n], t) for n, t in (parts or {}).items()):
            raise ValueError("A part has the wrong type.")
        return state


@contextlib.contextmanager
def open_state(path: Path, kind: str) -> Iterator[tuple[Any, "_Arrays"]]:
    """Return a context with the state in a file and its arrays, read one at a time.

    The checksums of the whole file are verified first.

    Raises:
        DamagedFileError: If the file is incomplete or of another kind.
    """
    with _refuse_damage(path, kind), zipfile.ZipFile(path) as archive:
        torn = archive.testzip()
        header = from_json(archive.read(HEADER).decode())
        if torn or (header["format"], header["kind"]) != (FORMAT, kind):
            raise ValueError("A part is damaged, or the kind differs.")
        state, dtypes = header["state"], header["dtypes"]
    with zipfile.ZipFile(path) as archive:
        yield state, _Arrays(archive, dtypes, (path, kind))


class Generations:
    """The last two states at a path, of which one is always complete.

    A new state is written to a temporary file; then the last file is renamed to the
    previous one, and the temporary file to the last one.

    Args:
        path: Path of the last state. The previous one is at `f"{path}.previous"`.
        kind: String that describes the content of the file.
        parts: Dict of the name of each part that must be in the file → its type.
            Defaults to `None`, no check.
    """

    def __init__(self, path: Path, kind: str, parts: dict[str, Any] | None = None):
        self.path, self.kind = os.path.abspath(os.fspath(path)), kind
        self.parts = parts
        self.paths = [self.path, f"{self.path}.previous"]

    def read(self) -> Iterator[Any]:
        """Yield the readable states, last one first, and rename a damaged file.

        Raises:
            DamagedFileError: If there are files but none is readable. They are kept.
        """
        remove_torn(f"{self.path}.new")
        damaged, found = [], False
        for path in self.paths:
            if not os.path.exists(path):
                continue
            try:
                state = read_state(path, self.kind, self.parts)
            except DamagedFileError as error:
                damaged.append((path, error))
                continue
            if not found:
                self._rename(damaged)
            found, damaged = True, []
            yield state
        if damaged and not found:
            raise damaged[0][1]

    def _rename(self, damaged):
        for path, _ in damaged:
            renamed = _unused(f"{path}.damaged")
            os.replace(path, renamed)
            warnings.warn(
                f"{path!r} is damaged or of another kind. It was renamed to "
                f"{renamed!r}, and the previous state is used.",
                RuntimeWarning,
                stacklevel=2,
            )

    def check(self) -> None:
        """Check that existing files are readable and that new ones can be written.

        Raises:
            DamagedFileError: If a file is damaged or of another kind.
            OSError: If no file can be written to the folder.
        """
        for path in filter(os.path.exists, self.paths):
            with open_state(path, self.kind):
                pass
        check_writable(os.path.dirname(self.path))

    def write(self, state: Any) -> None:
        """Save a state as the last one; if that fails, the files are not changed."""
        new, (last, previous) = f"{self.path}.new", self.paths
        write_state(new, self.kind, state)
        if os.path.exists(last):
            os.replace(last, previous)
        os.replace(new, last)

    def write_or_warn(self, state: Any) -> None:
        """Save a state as the last one; if that fails, warn and keep the files."""
        try:
            self.write(state)
        except OSError as error:
            warnings.warn(
                f"Could not write {self.kind} to {self.path!r}; the last state saved "
                f"there is kept: {error}",
                RuntimeWarning,
                stacklevel=3,
            )

    def remove(self) -> None:
        """Remove both files."""
        for path in self.paths:
            if os.path.exists(path):
                os.remove(path)


def check_writable(folder: Path) -> None:
    """Create a folder if needed and check that files can be written to it."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextlib.contextmanager
def _refuse_damage(path, kind):
    """Return a context that turns exceptions of reading into `DamagedFileError`."""
    try:
        yield
    except (*BROKEN, OSError) as error:
        # A damaged offset raises EINVAL or an `OSError` without a number. All other
        # numbers are errors of the disk.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise DamagedFileError(
            f"The file must hold {kind}, saved by kcomponents. This file is damaged or "
            "of another kind. Move it away to start again. "
            f"Received: path={path!r}"
        ) from error


class _Arrays:
    """The arrays of an open file, each read only when it is needed."""

    def __init__(self, archive, dtypes, place):
        self._archive, self._dtypes, self._place = archive, dtypes, place

    def __getitem__(self, index):
        with _refuse_damage(*self._place), self._archive.open(f"{index}.npy") as member:
            bits = np.lib.format.read_array(member, allow_pickle=False)
            return bits.view(np.dtype(self._dtypes[index]))


def _bits(array):
    """Return an array as a dtype that numpy can save: bfloat16 as integers."""
    return array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array


def _extract(value, arrays):
    """Move the arrays of a value to a list, and replace them by their indices."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            fail("A state must have strings as keys.", keys=list(value))
        return {key: _extract(part, arrays) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_extract(part, arrays) for part in value]
    if isinstance(value, np.generic) and value.ndim == 0 and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(
        value, np.ndarray | np.generic | keras.Variable
    ) or keras.ops.is_tensor(value):
        arrays.append(value)
        return {ARRAY: len(arrays) - 1}
    return value


def _insert(value, arrays):
    """Undo `_extract`."""
    if isinstance(value, dict):
        if set(value) == {ARRAY}:
            return arrays[value[ARRAY]]
        return {key: _insert(part, arrays) for key, part in value.items()}
    if isinstance(value, list):
        return [_insert(part, arrays) for part in value]
    return value


def _unused(path):
    """Return this path, or the first of `path-2`, `path-3`, ... that does not exist."""
    count, unused = 1, path
    while os.path.exists(unused):
        count += 1
        unused = f"{path}-{count}"
    return unused
