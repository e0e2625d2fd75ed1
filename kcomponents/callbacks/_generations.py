"""Generations: a state file and the one before it, so that a good one is there always.

At no moment is a file half-written: the new one is written beside, then the old one
becomes the one before, then the new one takes its place.
"""

import os
import tempfile
import warnings

from kcomponents._files import remove_torn
from kcomponents._state_file import Damaged, opened_state, read_state, write_state


class Generations:
    """The last two states at a path.

    Args:
        path: Where the last one is; the one before is at `path` and `".previous"`.
        kind: What the file holds, in words.
        parts: Optional dict, what must be in it by name, and the type that it has.
    """

    def __init__(self, path, kind, parts=None):
        self.path, self.kind = os.path.abspath(os.fspath(path)), kind
        self.parts = parts
        self.paths = [self.path, f"{self.path}.previous"]

    def read(self):
        """Yield the good states, last one first; a damaged one is put aside.

        Raises:
            Damaged: If there are files and none is good; they stay as they are.
        """
        remove_torn(f"{self.path}.new")
        damaged, found = [], False
        for path in self.paths:
            if not os.path.exists(path):
                continue
            try:
                state = read_state(path, self.kind, self.parts)
            except Damaged as error:
                damaged.append((path, error))
                continue
            if not found:
                self._put_aside(damaged)
            found, damaged = True, []
            yield state
        if damaged and not found:
            raise damaged[0][1]

    def _put_aside(self, damaged):
        for path, error in damaged:
            aside = _free(f"{path}.damaged")
            os.replace(path, aside)
            warnings.warn(
                f"{error} It is now at {aside!r}, and the one before it is used.",
                RuntimeWarning,
                stacklevel=2,
            )

    def check(self):
        """Refuse files that are damaged or another's, and folders to write nothing in.

        Raises:
            Damaged: If there is such a file.
            OSError: If no file can be made there.
        """
        for path in filter(os.path.exists, self.paths):
            with opened_state(path, self.kind):
                pass
        check_writable(os.path.dirname(self.path))

    def write(self, state):
        """Make this the last state; if that fails, all is as before."""
        new, (last, before) = f"{self.path}.new", self.paths
        write_state(new, self.kind, state)
        if os.path.exists(last):
            os.replace(last, before)
        os.replace(new, last)

    def write_or_warn(self, state):
        """Make this the last state, or keep that and say why."""
        try:
            self.write(state)
        except OSError as error:
            warnings.warn(
                f"{self.kind.capitalize()} could not be written to {self.path!r}; what "
                f"is there is kept: {error}",
                RuntimeWarning,
                stacklevel=3,
            )

    def remove(self):
        """Remove both."""
        for path in self.paths:
            if os.path.exists(path):
                os.remove(path)


def check_writable(folder):
    """Make a folder and see that files can be written, before time is spent."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _free(path):
    """Return a path like this one at which there is nothing."""
    count, found = 1, path
    while os.path.exists(found):
        count += 1
        found = f"{path}-{count}"
    return found
