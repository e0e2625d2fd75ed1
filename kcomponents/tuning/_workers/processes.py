"""Workers as processes on this machine; those that end early are replaced."""

import logging
import os
import subprocess
import sys
import tempfile
import time

from kcomponents.tuning._workers.environment import environment, share_of, visible_gpus
from kcomponents.tuning._workers.payload import to_bytes

logger = logging.getLogger("kcomponents")
# This many workers in a row without a finished trial mean a bug.
LIMIT = 5
# Seconds between two checks of the processes.
PAUSE = 0.2


class Processes:
    """Starts workers, and replaces them until every trial has ended.

    Args:
        search: Search.
        count: Integer, number of workers.
        args: Positional arguments of `fit`.
        kwargs: Keyword arguments of `fit`.
    """

    def __init__(self, search, count, args, kwargs):
        self.search, self.count = search, count
        self.gpus = visible_gpus()
        settings = search.settings
        self.share = share_of(count, settings.gpus_per_worker, self.gpus)
        self.content = to_bytes(search, args, kwargs)
        self.folder = os.path.join(search.project_dir, "workers")
        os.makedirs(self.folder, exist_ok=True)
        # Worker's number → its process, and the trials finished before it.
        self._alive, self._failures = {}, 0

    def run(self, stop, show_progress):
        """Run until every trial has ended or the search is stopped."""
        # Local to this machine: its compiled programs may not run on another.
        with tempfile.TemporaryDirectory(prefix="kcomponents-") as self._cache:
            try:
                self._supervise(stop, show_progress)
            finally:
                self._end()

    def _supervise(self, stop, show_progress):
        while not stop.is_due and self.search.engine.has_unfinished():
            self._start_missing()
            show_progress()
            time.sleep(PAUSE)
            self._remove_ended()
            # A short-lived worker may not notice that another one is gone.
            self.search.engine.reaper.reclaim_expired()
            self.search.engine.check_crashes()

    def _start_missing(self):
        """Start the missing processes while there are trials left."""
        for number in range(self.count):
            if number not in self._alive and self.search.engine.has_unfinished():
                self._alive[number] = self._start(number), self._finished_count()

    def _start(self, number):
        own = environment(number, self.count, self.share, self.gpus)
        paths = os.pathsep.join(["", *sys.path]).strip(os.pathsep)
        # A temporary file: writing to a pipe would block until the worker reads it.
        path = self._log_path(number)
        with open(path, "ab") as log, tempfile.TemporaryFile() as content:
            content.write(self.content)
            content.seek(0)
            module, parent = __package__ + ".process", str(os.getpid())
            return subprocess.Popen(
                [sys.executable, "-m", module, parent, self._cache],
                env={**os.environ, **own, "PYTHONPATH": paths},
                stdin=content,
                stdout=log,
                stderr=log,
                # Ctrl-C then reaches only this process, which ends the workers.
                start_new_session=True,
            )

    def _log_path(self, number):
        return os.path.join(self.folder, f"worker-{number}.log")

    def _finished_count(self):
        states = [trial.state for trial in self.search.store.trials()]
        return sum(state.is_finished() for state in states)

    def _remove_ended(self):
        """Remove the processes that have ended, and take back their trials."""
        for number, (process, finished) in list(self._alive.items()):
            if process.poll() is None:
                continue
            del self._alive[number]
            self.search.engine.reaper.reclaim_from(process.pid)
            # A killed worker is not a bug; `max_retries` limits its trials.
            if process.returncode <= 0 or self._finished_count() > finished:
                self._failures = 0
            else:
                self._failures += 1
            if self._failures >= LIMIT:
                path = self._log_path(number)
                with open(path, encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(
                        f"{LIMIT} workers in a row ended without finishing a trial. "
                        f"The last one's log:\n{log.read()[-2000:]}"
                    )

    def _end(self):
        """Ask the remaining workers to end, and wait for their current epochs."""
        for process, _ in self._alive.values():
            process.terminate()
        for process, _ in self._alive.values():
            process.wait()
            self.search.engine.reaper.reclaim_from(process.pid)
        self._alive = {}
