"""Journal: the file that a search is kept in, which survives what kills its writers."""

import errno
import json
import os

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

from kcomponents._files import cut_torn_line


class Journal(JournalFileBackend):
    """Optuna's journal with lines that are written whole or not at all.

    The lock is one that the system takes back from a process that is killed, and what a
    full disk left of a line is cut off before the next one.
    """

    def __init__(self, path):
        super().__init__(path)
        self.path, self.lock = path, FileLock(f"{path}.lock")

    def append_logs(self, logs):
        """Append lines, all of them or none."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        content = lines.encode()
        with self.lock, open(self.path, "ab+", buffering=0) as file:
            cut_torn_line(file)
            end = file.seek(0, os.SEEK_END)
            try:
                if file.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
