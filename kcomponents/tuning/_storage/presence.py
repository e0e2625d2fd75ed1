"""Presence: shows that a process of a search is alive, and which files it owns.

Containers that share a folder number their processes on their own, so that a process
number says nothing about the owner of a file. An operating system's lock does: the
owner holds it as long as it lives, however it ends.
"""

import contextlib
import errno
import os
import re
import shutil
import socket
import uuid

try:
    import fcntl
except ImportError:
    # Windows. Without locks, each other process is taken as alive.
    fcntl = None

NAME = re.compile(r"process-(?P<host>.+)\.(?P<boot>[0-9a-f]{8})-[0-9a-f]{8}\.lock")
# A file that is being written, as `whole_path` names it.
UNFINISHED = re.compile(
    r"\.(results\.csv|best\.keras|weights\.npz|build_config\.json)"
    r"\.[0-9a-f]{8}\.tmp(\.keras)?"
)
BOOT, UNKNOWN_BOOT = "/proc/sys/kernel/random/boot_id", "0" * 8
# Errors of file systems for a lock that another process holds.
HELD = (errno.EACCES, errno.EAGAIN)
# How often to make a lock that other processes mistake for an abandoned one.
ATTEMPTS = 20


class Presence:
    """A context in which other processes of a search see that this one is alive.

    It may be entered several times, one within another.

    Args:
        project: Path of the project's folder.
    """

    def __init__(self, project):
        # The working folder may change.
        self.project = os.path.abspath(project)
        self._path, self._lock, self._depth = None, None, 0

    def __enter__(self):
        self._depth += 1
        self._start()
        return self

    def __exit__(self, *error):
        self._depth -= 1
        if not self._depth:
            self.end()

    def _start(self):
        if self._lock is not None:
            return
        os.makedirs(self.project, exist_ok=True)
        host, boot = machine()
        for _ in range(ATTEMPTS):
            name = f"process-{host}.{boot}-{uuid.uuid4().hex[:8]}"
            self._path = os.path.join(self.project, name)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            self._lock = os.open(f"{self._path}.lock", flags, 0o666)
            # Before it was locked, another process may have removed it.
            if _acquire(self._lock) is not False and self._is_in_place():
                return
            os.close(self._lock)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), f"{self._path}.lock")

    def _is_in_place(self):
        return _is_same(self._lock, f"{self._path}.lock")

    def make_folder(self):
        """Return the path of a folder that other processes leave alone, and make it."""
        self._start()
        os.makedirs(self._path, exist_ok=True)
        return self._path

    def end(self):
        """Delete the folder, and end the presence."""
        if self._lock is None:
            return
        _delete(self._path)
        os.close(self._lock)
        self._lock = None

    def delete_leftovers(self):
        """Delete the files that killed processes of the search left behind.

        The files of a process that may be alive stay.
        """
        # Listed first: a process that starts later writes none of them.
        unfinished = list(_unfinished_files(self.project))
        others = [os.path.join(self.project, name) for name in self._others()]
        if all([_delete_if_abandoned(path) for path in others]):
            for path in unfinished:
                with contextlib.suppress(OSError):
                    os.remove(path)

    def _others(self):
        own = None if self._lock is None else f"{os.path.basename(self._path)}.lock"
        names = os.listdir(self.project)
        return [name for name in names if NAME.fullmatch(name) and name != own]


def machine():
    """Return the names of this host and of this start of its operating system."""
    host = re.sub(r"[^A-Za-z0-9_]", "-", socket.gethostname())[:64] or "-"
    try:
        with open(BOOT, encoding="ascii") as file:
            boot = file.read(8)
    except (OSError, ValueError):
        boot = ""
    return host, boot if re.fullmatch("[0-9a-f]{8}", boot) else UNKNOWN_BOOT


def _delete_if_abandoned(path):
    """Delete a lock and its folder if the owner has ended; return whether it has.

    Locks of some network folders hold on one machine only, so the files of another
    machine stay, even if their lock is free.
    """
    host, boot = NAME.fullmatch(os.path.basename(path)).groups()
    here = machine()
    if host != here[0] and (boot != here[1] or boot == UNKNOWN_BOOT):
        return False
    try:
        # Not through a link: what it points to belongs to someone else.
        lock = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        if not _acquire(lock):
            return False
        return not _is_same(lock, path) or _delete(path.removesuffix(".lock"))
    finally:
        os.close(lock)


def _delete(path):
    """Delete a folder and then its lock; return whether that succeeded."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        return False
    with contextlib.suppress(FileNotFoundError):
        os.remove(f"{path}.lock")
    return True


def _acquire(lock):
    """Try to lock an open file.

    Returns:
        Whether it is locked now, or `None` if the file system has no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in HELD else None
    return True


def _is_same(file, path):
    """Return whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except FileNotFoundError:
        return False


def _unfinished_files(project):
    """Yield the paths of files of the search that are not complete."""
    with os.scandir(project) as entries:
        folders = [
            entry.path
            for entry in entries
            if entry.name.startswith("trial_") and entry.is_dir(follow_symlinks=False)
        ]
    for folder in (project, *folders):
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(folder):
                if UNFINISHED.fullmatch(name):
                    yield os.path.join(folder, name)
