"""State files: plain values and arrays in one file, with checksums.

A state file is an `.npz` file, so numpy can load the arrays; everything else is stored
as JSON. `Generations` keeps the last state and the one before.
"""

import contextlib
import errno
import lzma
import math
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kcomponents import _console
from kcomponents._checks import fail
from kcomponents._files import (
    Path,
    beside,
    full_path,
    open_file,
    remove_torn,
    target_of,
    whole_file,
)
from kcomponents._json_values import from_json, to_json

FORMAT = 1
HEADER = "kcomponents.json"
ARRAY = "__array__"
# What numpy writes before an array of numbers, apart from the magic bytes.
ARRAY_HEADER = re.compile(
    rb"{'descr': '([<>|][biufcmM][0-9]+(?:\[[0-9]*[a-z]+\])?)', "
    rb"'fortran_order': (?:True|False), 'shape': \(([0-9, ]*)\), } *\n"
)
# All exceptions that reading a damaged file may raise.
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(ArithmeticError, AttributeError, LookupError, RuntimeError),
    *(TypeError, ValueError),
)


class DamagedFileError(ValueError):
    """A file is incomplete, damaged, or not a state file of the expected kind."""


def write_state(path: Path, kind: str, state: Any, previous: str | None = None) -> None:
    """Write dicts and lists of plain values, arrays, tensors and variables to a file.

    The file is written completely or not at all. Tensors are copied to the host one at
    a time, to save memory.

    Args:
        path: Path of the file, in an existing folder.
        kind: String that describes its content, which `read_state` compares.
        state: Dicts with string keys, lists, plain values, arrays, tensors, variables.
        previous: Path that an existing file is moved to. Defaults to `None`: it is
            deleted.

    Raises:
        ValueError: If the state has other values.
        OSError: If the file cannot be written.
    """
    arrays, dtypes = [], []
    header = {"format": FORMAT, "kind": kind, "state": _extract(state, arrays)}
    with whole_file(path, previous) as file, zipfile.ZipFile(file, "w") as archive:
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
        _check_parts(state, parts)
        return state


@contextlib.contextmanager
def open_state(
    path: Path, kind: str, parts: dict[str, Any] | None = None
) -> Iterator[tuple[Any, "_Arrays"]]:
    """Return a context with the state in a file and its arrays, read one at a time.

    The sizes and the checksums of the whole file are verified first. Nothing in it is
    compressed, so reading it needs no more memory than its size. The arguments are
    those of `read_state`.

    Raises:
        FileNotFoundError: If there is no such file.
        DamagedFileError: If the file is incomplete or of another kind, or lacks a part.
    """
    path = full_path("path", path)
    with contextlib.ExitStack() as opened:
        with _refuse_damage(path, kind):
            file = opened.enter_context(open_file(path))
            archive = opened.enter_context(zipfile.ZipFile(file))
            _check_sizes(archive, os.fstat(file.fileno()).st_size)
            torn = archive.testzip()
            header = from_json(archive.read(HEADER).decode())
            if torn or (header["format"], header["kind"]) != (FORMAT, kind):
                raise ValueError("A part is damaged, or the kind differs.")
            state, dtypes = header["state"], header["dtypes"]
            _check_arrays(archive, state, dtypes)
            _check_parts(state, parts)
        yield state, _Arrays(archive, dtypes, (path, kind))


def _check_sizes(archive, size):
    """Raise unless the parts, read one after the other, are no larger than the file."""
    parts = archive.infolist()
    stored = all(part.compress_type == zipfile.ZIP_STORED for part in parts)
    if not stored or sum(part.file_size for part in parts) > size:
        raise ValueError("A part is larger than the file, or compressed.")


def _check_arrays(archive, state, dtypes):
    """Raise unless the file has just the arrays of the state, each once and whole."""
    if not isinstance(dtypes, list):
        raise ValueError("The types of the arrays are missing.")
    names = [f"{index}.npy" for index in range(len(dtypes))]
    indices = sorted(_indices(state))
    if sorted(archive.namelist()) != sorted([*names, HEADER]):
        raise ValueError("A part is missing, or there is another one.")
    if indices != list(range(len(dtypes))) or any(type(i) is not int for i in indices):
        raise ValueError("An array is missing in the state, or is there twice.")
    for name, dtype in zip(names, dtypes, strict=True):
        with archive.open(name) as member:
            _check_array(member, archive.getinfo(name).file_size, dtype)


def _check_parts(state, parts):
    """Raise unless a state has each part, of the right type."""
    if not all(isinstance(state[n], t) for n, t in (parts or {}).items()):
        raise ValueError("A part has the wrong type.")


def _check_array(member, size, dtype):
    """Raise unless a part is an array of numbers of this size and type."""
    major, _ = np.lib.format.read_magic(member)
    length = {1: "<H", 2: "<I"}[major]
    (length,) = struct.unpack(length, member.read(struct.calcsize(length)))
    found = ARRAY_HEADER.fullmatch(member.read(min(length, size)))
    stored = np.dtype(found[1].decode())
    shape = [int(side) for side in found[2].split(b",") if side.strip()]
    if math.prod(shape) * stored.itemsize != size - member.tell():
        raise ValueError("An array has another size than its header states.")
    if stored.name != dtype:
        # An identifier, so that numpy does not parse the name as code.
        known = isinstance(dtype, str) and dtype.isidentifier()
        named = np.dtype(dtype) if known else stored
        saved_as = np.dtype(f"u{named.itemsize}") if named.isbuiltin == 2 else None
        if stored != saved_as:
            raise ValueError("An array has another type than the state has.")


class Generations:
    """The last two states at a path, of which one is always complete.

    A new state is written to a temporary file; then the last file is renamed to the
    previous one, and the temporary file to the last one. If the path is a link, all of
    them are beside the file that it leads to, and the link stays.

    Args:
        path: Path of the last state. The name of the previous one ends in `.previous`.
        kind: String that describes the content of the file.
        parts: Dict of the name of each part that must be in the file → its type.
            Defaults to `None`, no check.
    """

    def __init__(self, path: Path, kind: str, parts: dict[str, Any] | None = None):
        self.path, self.kind, self.parts = full_path("path", path), kind, parts

    @property
    def paths(self) -> list[str]:
        """Paths of the last state and of the previous one, which are no links."""
        target = target_of(self.path)
        return [target, beside(target, ".previous")]

    def read(self) -> Iterator[Any]:
        """Yield the readable states, last one first, and rename a damaged file.

        Raises:
            DamagedFileError: If there are files but none is readable. They are kept.
        """
        remove_torn(self.path)
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
            renamed = _unused(path)
            os.replace(path, renamed)
            _console.warn(
                f"{path!r} is damaged or of another kind. It was renamed to "
                f"{renamed!r}, and the previous state is used.",
                RuntimeWarning,
                stacklevel=2,
            )

    def check(self) -> None:
        """Check that existing files are readable and that new ones can be written.

        What a killed process left of an incomplete file is removed.

        Raises:
            DamagedFileError: If a file is damaged or of another kind.
            OSError: If no file can be written to the folder.
        """
        remove_torn(self.path)
        for path in filter(os.path.exists, self.paths):
            with open_state(path, self.kind, self.parts):
                pass
        check_writable(os.path.dirname(self.paths[0]))

    def write(self, state: Any) -> None:
        """Save a state as the last one; if that fails, the last state is kept."""
        last, previous = self.paths
        write_state(last, self.kind, state, previous)

    def write_or_warn(self, state: Any) -> None:
        """Save a state as the last one; if that fails, warn and keep the files."""
        try:
            self.write(state)
        except OSError as error:
            _console.warn(
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
    """Create a folder if needed and check that files can be written to it.

    Raises:
        OSError: If no file can be written to the folder.
    """
    folder = full_path("folder", folder, "folder")
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        sentence = f"No file can be written to this folder ({error.strerror})"
        raise type(error)(error.errno, sentence, folder) from error


@contextlib.contextmanager
def _refuse_damage(path, kind):
    """Return a context that turns exceptions of reading into `DamagedFileError`."""
    try:
        yield
    except (*BROKEN, OSError) as error:
        # A damaged offset raises EINVAL or an `OSError` without a number, and so does
        # a folder. All other numbers are errors of the disk.
        of_disk = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)
        if of_disk or isinstance(error, FileNotFoundError):
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
            bits, name = np.lib.format.read_array(member), self._dtypes[index]
            # Backends take only arrays in the byte order of the machine.
            bits = bits.astype(bits.dtype.newbyteorder("="), copy=False)
            return bits if bits.dtype.name == name else bits.view(np.dtype(name))


def _bits(array):
    """Return an array as a dtype that numpy can save: bfloat16 as integers."""
    if array.dtype.isbuiltin == 2:
        return array.view(f"u{array.itemsize}")
    if array.dtype.kind not in "biufcmM":
        fail("Arrays of a state must have numbers.", dtype=array.dtype)
    return array


def _extract(value, arrays):
    """Move the arrays of a value to a list, and replace them by their indices."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) and key != ARRAY for key in value):
            rule = f"A state must have strings as keys, and none of them {ARRAY!r}."
            fail(rule, keys=list(value))
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


def _indices(value):
    """Yield the index of each array that a state has."""
    if isinstance(value, dict):
        if set(value) == {ARRAY}:
            yield value[ARRAY]
            return
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from _indices(part)


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
    """Return the path with the first unused ending of `.damaged`, `.damaged-2`, ..."""
    count, unused = 1, beside(path, ".damaged")
    while os.path.lexists(unused):
        count += 1
        unused = beside(path, f".damaged-{count}")
    return unused
