"""Files written whole or line by line, so that no reader meets a part."""

import contextlib
import glob
import os
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from kcomponents._check import fail

Path = str | os.PathLike[str]


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Return a context with a new binary file, which takes its place at the end of it.

    A reader finds the old file or the new, never a part; an exception leaves the old.

    Args:
        path: Where to write. The folder must exist; a link is followed.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"No folder {folder!r}. Create it first.")
    # Not `mkstemp`, whose files only their owner may read.
    beside = os.path.join(folder, f".{name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        if os.path.exists(beside):
            os.remove(beside)
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never a part.

    Args:
        path: Where to write. The folder must exist; a link is followed.
        content: Text, written as UTF-8, or bytes.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def remove_torn(path: Path) -> None:
    """Remove what killed processes left of files that they were writing there."""
    folder, name = os.path.split(os.path.realpath(path))
    for torn in glob.glob(f".{glob.escape(name)}.*.tmp", root_dir=folder):
        os.remove(os.path.join(folder, torn))


def append_line(path: Path, text: str) -> None:
    r"""Append one line in a single write, so that a killed process tears only the last.

    What stands after the last newline of the file is such a torn line, and is cut off.

    Args:
        path: The file, made if there is none.
        text: The line without its `"\n"`.

    Raises:
        ValueError: If the text is more than one line.
        OSError: If the disk took only a part of the line.
    """
    if "\n" in text:
        fail("`text` must be one line.", text=text)
    line = text.encode() + b"\n"
    with open(os.fspath(path), "ab+", buffering=0) as file:
        cut_torn_line(file)
        if file.write(line) != len(line):
            raise OSError(f"Only a part of a line went to {path!r}. Is the disk full?")


def cut_torn_line(file: BinaryIO) -> None:
    """Cut off what stands after the last newline: a line that was never ended."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - 1, 0))
    if end and file.read() != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, its newlines as they are.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a folder or no UTF-8 text.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        near = os.path.abspath(path)
        raise FileNotFoundError(f"No file {path!r} ({near}). Check the path.")
    if os.path.isdir(path):
        fail("`path` must name a file, not a folder.", path=path)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        rule = f"The file is not UTF-8 text ({error}). Check the path."
        raise ValueError(f"{rule} Received: path={path!r}") from error
