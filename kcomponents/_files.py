"""Files that are never half-written: replaced as a whole, or appended by line."""

import contextlib
import errno
import hashlib
import os
import re
import stat
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from kcomponents._checks import fail

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
# The most bytes that most file systems allow in a name.
LONGEST_NAME = 255
# The most bytes of a line, so that reading one cannot use all memory.
LONGEST_LINE = 2**28
ACCESS_LIST = "system.posix_acl_access"
SENTENCES = {
    errno.ELOOP: "The links at this path form a loop. Remove one of them",
    errno.ENAMETOOLONG: "This path is too long, or a name in it. Choose a shorter one",
}


class NotAFileError(OSError, ValueError):
    """A path leads to a folder, a pipe or a device, where a file must be."""


# Paths


def full_path(name: str, path: Path, kind: str = "file") -> str:
    """Return a path as an absolute string, so that it works in any working folder.

    Args:
        name: String, the argument's name, for the error.
        path: String, bytes or path-like object.
        kind: String, what the path must lead to, for the error. Defaults to `"file"`.

    Raises:
        ValueError: If it is empty or of another type, or no file can have such a name.
    """
    try:
        text = os.fsdecode(path)
        fits = b"\0" not in os.fsencode(text) and text != ""
    except (TypeError, UnicodeError):
        fits = False
    if not fits:
        rule = f"`{name}` must be the path of a {kind}: a string, bytes or a path-like"
        fail(f"{rule} object, not empty and without NUL.", **{name: path})
    return os.path.abspath(text)


def optional_path(name: str, path: Path | None) -> str | None:
    """Return a path as an absolute string, or `None` for `None`."""
    return None if path is None else full_path(name, path)


def target_of(path: Path) -> str:
    """Return the absolute path that links lead to, whether or not a file is there.

    Raises:
        OSError: If the links form a loop, or a name is too long for the file system.
    """
    path = full_path("path", path)
    _status(path)
    return os.path.realpath(path)


def beside(path: str, suffix: str, prefix: str = "") -> str:
    """Return the path of a file that belongs to another one in the same folder.

    Its name is the other name with a prefix and a suffix. A name that would be too long
    is cut, and gets a hash of the other name instead.
    """
    folder, name = os.path.split(path)
    full = os.fsencode(name)
    if len(full) + len(os.fsencode(prefix + suffix)) > LONGEST_NAME:
        suffix = f"~{hashlib.sha256(full).hexdigest()[:16]}{suffix}"
        room = LONGEST_NAME - len(os.fsencode(prefix + suffix))
        name = full[:room].decode(errors="ignore")
    return os.path.join(folder, f"{prefix}{name}{suffix}")


def _status(path):
    """Return the status of what a path leads to, or `None` if there is nothing.

    Raises:
        OSError: If the links form a loop, or a name is too long for the file system.
    """
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        sentence = SENTENCES.get(error.errno or 0, error.strerror)
        raise type(error)(error.errno, sentence, path) from error


def _file_status(path):
    """Return the status of a file, or `None` if there is none.

    Raises:
        NotAFileError: If there is a folder, a pipe or a device at the path.
        OSError: If the links form a loop, or a name is too long for the file system.
    """
    status = _status(path)
    if status is not None and not stat.S_ISREG(status.st_mode):
        rule = "`path` must name a file, not a folder, a pipe or a device."
        raise NotAFileError(f"{rule} Received: path={path!r}")
    return status


# Writing


@contextlib.contextmanager
def whole_path(
    path: Path, ending: str = "", previous: str | None = None
) -> Iterator[str]:
    """Return a context with the path of an empty file that replaces `path` at the end.

    A reader finds the old file or the new one, never a part of it. If the context
    raises an exception, the old file is kept. The new file has the old one's owner,
    group, permissions and attributes, as far as the system permits; until the end,
    only its owner can read it.

    Args:
        path: Path to write to. The folder must exist; a link is followed.
        ending: String that the name of the new file ends with until it is complete.
            Defaults to `""`.
        previous: Path that the old file is moved to at the end. Defaults to `None`:
            the old file is deleted.

    Raises:
        FileNotFoundError: If the folder does not exist.
        NotAFileError: If there is a folder, a pipe or a device at the path.
        OSError: If the file cannot be written.
    """
    target = target_of(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"No folder {folder!r}. Create it first.")
    old = _file_status(target)
    temporary = beside(target, f".{uuid.uuid4().hex[:8]}.tmp{ending}", ".")
    # Not `mkstemp`, because others may read a new file as the umask permits.
    mode = 0o666 if old is None else 0o600
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            yield temporary
            if old is not None:
                _copy_access(target, old, descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if previous is not None and old is not None:
            os.replace(target, previous)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


def _copy_access(path, status, descriptor):
    """Give an open file what an older file has: owner, group, access list and mode."""
    if not hasattr(os, "fchown"):
        # On Windows, a file has the permissions of its folder.
        return
    for owner, group in ((-1, status.st_gid), (status.st_uid, -1)):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, group)
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if os.fstat(descriptor).st_gid == status.st_gid:
        _copy_attributes(path, descriptor)
    else:
        # The members of another group may do only what everybody may.
        mode &= 0o707 | (mode & 0o007) << 3
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, mode)


def _copy_attributes(path, descriptor):
    """Copy the attributes that users can set, and the access list."""
    if not hasattr(os, "listxattr"):
        return
    with contextlib.suppress(OSError):
        names = os.listxattr(path)
        if ACCESS_LIST not in names and ACCESS_LIST in os.listxattr(descriptor):
            # The folder gives each new file a list.
            os.removexattr(descriptor, ACCESS_LIST)
        for name in names:
            if name.startswith("user.") or name == ACCESS_LIST:
                os.setxattr(descriptor, name, os.getxattr(path, name))


@contextlib.contextmanager
def whole_file(path: Path, previous: str | None = None) -> Iterator[BinaryIO]:
    """Return a context with a binary file that replaces `path` at the end.

    The arguments and exceptions are those of `whole_path`.
    """
    with whole_path(path, previous=previous) as temporary:
        with open(temporary, "r+b") as file:
            yield file


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never a part.

    Args:
        path: Path to write to. The folder must exist; a link is followed.
        content: Text, written as UTF-8, or bytes.

    Raises:
        FileNotFoundError: If the folder does not exist.
        NotAFileError: If there is a folder, a pipe or a device at the path.
        OSError: If the file cannot be written.
    """
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def remove_torn(path: Path) -> None:
    """Remove the temporary files that killed processes left beside `path`."""
    folder, name = os.path.split(beside(target_of(path), f".{'?' * 8}.tmp", "."))
    torn = re.escape(name).replace(re.escape("?") * 8, "[0-9a-f]{8}")
    for found in os.listdir(folder) if os.path.isdir(folder) else ():
        if re.fullmatch(torn, found):
            # Another process that starts may remove it first.
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, found))


def append_line(path: Path, text: str) -> None:
    r"""Append one line in a single write, so only the last line can be incomplete.

    An incomplete last line, from a process that was killed, is removed first.

    Args:
        path: Path of the file, created if needed.
        text: The line without its `"\n"`.

    Raises:
        ValueError: If the text has more than one line.
        NotAFileError: If there is a folder, a pipe or a device at the path.
        OSError: If only part of the line was written.
    """
    if "\n" in text:
        fail("`text` must be one line.", text=text)
    line = text.encode() + b"\n"
    target = target_of(path)
    _file_status(target)
    with open(target, "ab+", buffering=0) as file:
        cut_torn_line(file)
        if file.write(line) != len(line):
            raise OSError(f"Only part of a line was written to {target!r}. Disk full?")


def cut_torn_line(file: BinaryIO) -> None:
    """Remove an incomplete last line: everything after the last newline."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - 1, 0))
    if end and file.read() != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


# Reading


def open_file(path: Path) -> BinaryIO:
    """Open a file to read bytes from it; a pipe or a device is never waited for.

    Raises:
        FileNotFoundError: If there is no such file.
        NotAFileError: If there is a folder, a pipe or a device at the path.
    """
    path = full_path("path", path)
    if _file_status(path) is None:
        raise FileNotFoundError(f"No file {path!r}. Check the path.")
    return open(path, "rb")


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the complete lines of a UTF-8 file, without their `"\n"`.

    An incomplete last line, from a process that was killed, is left out, and so is the
    byte order mark that some editors put before the first line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no file at the path, a line is not UTF-8 text, or it is
            longer than 256 MiB.
    """
    path = full_path("path", path)
    with open_file(path) as file:
        coding = "utf-8-sig"
        while (line := file.readline(LONGEST_LINE)).endswith(b"\n"):
            try:
                yield line[:-1].decode(coding)
            except UnicodeDecodeError as error:
                rule = f"The file is not UTF-8 text ({error}). Check the path."
                raise ValueError(f"{rule} Received: path={path!r}") from error
            coding = "utf-8"
        if len(line) == LONGEST_LINE:
            rule = f"A line must have less than {LONGEST_LINE} bytes. Check the path."
            fail(rule, path=path)
