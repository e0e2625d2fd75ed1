"""Workers as processes on this machine; those that end early are replaced."""

import logging
import os
import subprocess
import sys
import tempfile
import time

from kcomponents.tuning._workers.environment import environment, gpus, share_of
from kcomponents.tuning._workers.payload import packed

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
        self.found = gpus()
        settings = search.settings
        self.share = share_of(count, settings.gpus_per_worker, self.found)
        self.content = packed(search, args, kwargs)
        self.folder = os.path.join(search.project_dir, "workers")
        os.makedirs(self.folder, exist_ok=True)
        self._alive, self._bad = {}, 0

    def run(self, stop, shown):
        """Run until every trial has ended or the search is stopped."""
        # Local to this machine: its compiled programs may not run on another.
        with tempfile.TemporaryDirectory(prefix="kcomponents-") as self._compiled:
            try:
                self._look_after(stop, shown)
            finally:
                self._end()

    def _look_after(self, stop, shown):
        while not stop.asked and self.search.engine.left():
            self._fill()
            shown()
            time.sleep(PAUSE)
            self._sweep()
            # A short-lived worker may not notice that another one is gone.
            self.search.engine.reaper.look()
            self.search.engine.check()

    def _fill(self):
        """Start the missing processes while there are trials left."""
        for number in range(self.count):
            if number not in self._alive and self.search.engine.left():
                self._alive[number] = self._started(number), self._finished()

    def _started(self, number):
        own = environment(number, self.count, self.share, self.found)
        paths = os.pathsep.join(["", *sys.path]).strip(os.pathsep)
        # A temporary file: writing to a pipe would block until the worker reads it.
        with open(self._log(number), "ab") as log, tempfile.TemporaryFile() as content:
            content.write(self.content)
            content.seek(0)
            module, own_number = __package__ + ".process", str(os.getpid())
            return subprocess.Popen(
                [sys.executable, "-m", module, own_number, self._compiled],
                env={**os.environ, **own, "PYTHONPATH": paths},
                stdin=content,
                stdout=log,
                stderr=log,
                # Ctrl-C then reaches only this process, which ends the workers.
                start_new_session=True,
            )

    def _log(self, number):
        return os.path.join(self.folder, f"worker-{number}.log")

    def _finished(self):
        states = [trial.state for trial in self.search.store.trials()]
        return sum(state.is_finished() for state in states)

    def _sweep(self):
        """Remove the processes that have ended, and give back their trials."""
        for number, (process, finished) in list(self._alive.items()):
            if process.poll() is None:
                continue
            del self._alive[number]
            self.search.engine.reaper.lose_all_of(process.pid)
            # A killed worker is not a bug; `max_retries` limits its trials.
            if process.returncode <= 0 or self._finished() > finished:
                self._bad = 0
            else:
                self._bad += 1
            if self._bad >= LIMIT:
                with open(self._log(number), encoding="utf-8", errors="replace") as log:
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
            self.search.engine.reaper.lose_all_of(process.pid)
        self._alive = {}
