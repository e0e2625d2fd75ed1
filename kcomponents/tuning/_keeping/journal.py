"""Journal: the file of a search, which survives crashes and full disks."""

import errno
import json
import os

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

from kcomponents._files import cut_torn_line


class Journal(JournalFileBackend):
    """Optuna's journal, whose lines are written completely or not at all.

    The operating system releases its lock when a process is killed, and an incomplete
    last line is removed before the next write.
    """

    def __init__(self, path):
        super().__init__(path)
        self.path, self.lock = path, FileLock(f"{path}.lock")

    def append_logs(self, logs):
        """Append all lines or none."""
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
