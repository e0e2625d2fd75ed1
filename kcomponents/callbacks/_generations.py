"""Generations: a state file and the previous one, so that one is always complete.

No file is ever half-written. The new state is written to a temporary file; then the
last file is renamed to the previous one, and the temporary file to the last one.
"""

import os
import tempfile
import warnings

from kcomponents._files import remove_torn
from kcomponents._state_file import Damaged, opened_state, read_state, write_state


class Generations:
    """The last two states at a path.

    Args:
        path: Path of the last state. The previous one is at `f"{path}.previous"`.
        kind: String that describes the content of the file.
        parts: Dict of the name of each part that must be in the file → its type.
            Defaults to `None`, no check.
    """

    def __init__(self, path, kind, parts=None):
        self.path, self.kind = os.path.abspath(os.fspath(path)), kind
        self.parts = parts
        self.paths = [self.path, f"{self.path}.previous"]

    def read(self):
        """Yield the readable states, last one first, and rename a damaged file.

        Raises:
            Damaged: If there are files but none is readable. They are not changed.
        """
        remove_torn(f"{self.path}.new")
        damaged, readable = [], False
        for path in self.paths:
            if not os.path.exists(path):
                continue
            try:
                state = read_state(path, self.kind, self.parts)
            except Damaged as error:
                damaged.append((path, error))
                continue
            if not readable:
                self._rename(damaged)
            readable, damaged = True, []
            yield state
        if damaged and not readable:
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

    def check(self):
        """Check that existing files are readable and that new ones can be written.

        Raises:
            Damaged: If a file is damaged or of another kind.
            OSError: If no file can be written to the folder.
        """
        for path in filter(os.path.exists, self.paths):
            with opened_state(path, self.kind):
                pass
        check_writable(os.path.dirname(self.path))

    def write(self, state):
        """Save a state as the last one; if that fails, the files are not changed."""
        new, (last, previous) = f"{self.path}.new", self.paths
        write_state(new, self.kind, state)
        if os.path.exists(last):
            os.replace(last, previous)
        os.replace(new, last)

    def write_or_warn(self, state):
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

    def remove(self):
        """Remove both files."""
        for path in self.paths:
            if os.path.exists(path):
                os.remove(path)


def check_writable(folder):
    """Create a folder if needed and check that files can be written to it."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _unused(path):
    """Return this path, or the first of `path-2`, `path-3`, ... that does not exist."""
    count, unused = 1, path
    while os.path.exists(unused):
        count += 1
        unused = f"{path}-{count}"
    return unused
