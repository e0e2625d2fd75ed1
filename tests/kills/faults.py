"""Faults: a process kills itself at a chosen write, rename or step of a training.

Every place where a training changes a file or enters a hook is a boundary. `Faults`
counts them by kind, so that a run without a kill lists where a later one can be killed.
"""

import builtins
import collections
import io
import os
import re
import signal
from typing import NamedTuple

import keras

# Functions of `os` that change a folder, by the position of the path that they change.
CHANGES = {
    **{"replace": 1, "rename": 1, "link": 1, "symlink": 1},
    **{"unlink": 0, "remove": 0, "rmdir": 0, "mkdir": 0, "chmod": 0, "truncate": 0},
}
# Functions of `os` that take the number of an open file.
OF_OPEN_FILES = ("fsync", "fdatasync", "ftruncate", "fchmod")
HOOKS = [
    name
    for name in dir(keras.callbacks.Callback)
    if re.fullmatch("on_(train|test|epoch)_.*", name)
]


class Kill(NamedTuple):
    """Where a process kills itself.

    Args:
        kind: String, the kind of boundary, as in `Faults.counts`.
        number: Integer, which boundary of this kind, from 1.
        moment: `"before"`, `"half"` (a write of the first half) or `"after"`.
    """

    kind: str
    number: int
    moment: str


class Faults:
    """Counts the boundaries of this process, and kills it at one of them.

    Args:
        folder: Path of the folder whose files count.
        kill: `Kill`, or `None` to only count.
    """

    def __init__(self, folder, kill=None):
        self.folder, self.kill = os.path.realpath(folder), kill
        self.counts = collections.Counter()

    def cross(self, kind, action=None, half=None):
        """Do an action, and kill this process before, within or after it if due."""
        self.counts[kind] += 1
        kill, due = self.kill, None
        if kill is not None and (kind, self.counts[kind]) == kill[:2]:
            due = kill.moment
        if due == "half" and half is not None:
            half()
            os.kill(os.getpid(), signal.SIGKILL)
        if due == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = None if action is None else action()
        if due is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def install(self):
        """Replace the functions that change files, for the rest of this process."""
        for name, position in CHANGES.items():
            self._replace(name, lambda args, at=position: args[at])
        for name in OF_OPEN_FILES:
            self._replace(name, lambda args: args[0])
        self._replace("write", lambda args: args[0], half=True)
        descriptor_of = os.open

        def open_descriptor(path, flags, *args, **kwargs):
            role = self._role(path) if flags & os.O_CREAT else None
            if role is None:
                return descriptor_of(path, flags, *args, **kwargs)
            return self.cross(
                f"create {role}", lambda: descriptor_of(path, flags, *args, **kwargs)
            )

        os.open = open_descriptor
        open_before = io.open

        def open_counted(file, mode="r", *args, **kwargs):
            role = self._role(file) if set(mode) & set("wax+") else None
            if role is None:
                return open_before(file, mode, *args, **kwargs)
            return self._open(role, file, mode, *args, **kwargs)

        builtins.open = io.open = open_counted

    def _replace(self, name, path_in, half=False):
        function = getattr(os, name)

        def call(*args, **kwargs):
            role = self._role(path_in(args))
            if role is None:
                return function(*args, **kwargs)

            def first_half():
                function(args[0], memoryview(args[1])[: len(args[1]) // 2])

            return self.cross(
                f"{name} {role}",
                lambda: function(*args, **kwargs),
                first_half if half else None,
            )

        setattr(os, name, call)

    def _open(
        self,
        role,
        file,
        mode,
        buffering=-1,
        encoding=None,
        errors=None,
        newline=None,
        **kwargs,
    ):
        raw_mode = mode.replace("b", "").replace("t", "")
        raw = self.cross(
            f"open {role}", lambda: _CountedFile(self, role, file, raw_mode, **kwargs)
        )
        if buffering == 0:
            return raw
        buffer = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        if "b" in mode:
            return buffer
        return io.TextIOWrapper(
            buffer, encoding, errors, newline, line_buffering=buffering == 1
        )

    def _role(self, file):
        """Return the name of a file without its numbers, or None for other folders."""
        if isinstance(file, int):
            try:
                file = os.readlink(f"/proc/self/fd/{file}")
            except OSError:
                return None
        path = os.path.abspath(os.fsdecode(file))
        if os.path.commonpath([path, self.folder]) != self.folder:
            return None
        name = os.path.relpath(path, self.folder)
        return re.sub(r"\b[0-9a-f]{6,}\b|\d+", "*", name)


class _CountedFile(io.FileIO):
    """A file whose writes are boundaries."""

    def __init__(self, faults, role, *args, **kwargs):
        self._faults, self._role = faults, role
        super().__init__(*args, **kwargs)

    def write(self, data):
        write, size = super().write, memoryview(data).nbytes
        return self._faults.cross(
            f"write {self._role}",
            lambda: write(data),
            lambda: write(memoryview(data).cast("B")[: size // 2]),
        )

    def truncate(self, size=None):
        cut = super().truncate
        return self._faults.cross(f"truncate {self._role}", lambda: cut(size))


class Boundaries(keras.callbacks.Callback):
    """Makes each hook of a training a boundary.

    Args:
        faults: `Faults` of this process.
        place: String that is part of the kind: `"first"` or `"last"` in the list.
        started: Function that is called once, after the first step. Defaults to `None`.
    """

    def __init__(self, faults, place, started=None):
        super().__init__()
        # Hooks run in the thread in which they would run without this callback.
        self.async_safe = True
        self._started = started
        for name in HOOKS:
            setattr(self, name, self._hook(faults, f"{name} {place}"))

    def _hook(self, faults, kind):
        def cross(*args, **kwargs):
            faults.cross(kind)
            if self._started is not None and kind.startswith("on_train_batch_end"):
                self._started()
                self._started = None

        return cross
