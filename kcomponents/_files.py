"""Files that are never half-written: replaced as a whole, or appended by line."""

import contextlib
import glob
import os
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from kcomponents._checks import fail

Path = str | os.PathLike[str]


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Return a context with a binary file that replaces `path` at the end.

    A reader finds the old file or the new one, never a part of it. If the context
    raises an exception, the old file is kept.

    Args:
        path: Path to write to. The folder must exist; a link is followed.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"No folder {folder!r}. Create it first.")
    # Not `mkstemp`, because only the owner may read its files.
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never a part.

    Args:
        path: Path to write to. The folder must exist; a link is followed.
        content: Text, written as UTF-8, or bytes.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def remove_torn(path: Path) -> None:
    """Remove the temporary files that killed processes left beside `path`."""
    folder, name = os.path.split(os.path.realpath(path))
    for temporary in glob.glob(f".{glob.escape(name)}.*.tmp", root_dir=folder):
        os.remove(os.path.join(folder, temporary))


def append_line(path: Path, text: str) -> None:
    r"""Append one line in a single write, so only the last line can be incomplete.

    An incomplete last line, from a process that was killed, is removed first.

    Args:
        path: Path of the file, created if needed.
        text: The line without its `"\n"`.

    Raises:
        ValueError: If the text has more than one line.
        OSError: If only part of the line was written.
    """
    if "\n" in text:
        fail("`text` must be one line.", text=text)
    line = text.encode() + b"\n"
    with open(os.fspath(path), "ab+", buffering=0) as file:
        cut_torn_line(file)
        if file.write(line) != len(line):
            raise OSError(f"Only part of a line was written to {path!r}. Disk full?")


def cut_torn_line(file: BinaryIO) -> None:
    """Remove an incomplete last line: everything after the last newline."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - 1, 0))
    if end and file.read() != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with unchanged newlines.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a folder or not UTF-8 text.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        full = os.path.abspath(path)
        raise FileNotFoundError(f"No file {path!r} ({full}). Check the path.")
    if os.path.isdir(path):
        fail("`path` must name a file, not a folder.", path=path)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        rule = f"The file is not UTF-8 text ({error}). Check the path."
        raise ValueError(f"{rule} Received: path={path!r}") from error
