"""Workers as processes of this machine, replaced when they end before the search."""

import logging
import os
import subprocess
import sys
import tempfile
import time

from kcomponents.tuning._workers.environment import environment, gpus, share_of
from kcomponents.tuning._workers.payload import packed

logger = logging.getLogger("kcomponents")
# So many ends in a row without a trial done are a mistake, not bad luck.
LIMIT = 5
# Seconds between two looks at the processes.
PAUSE = 0.2


class Processes:
    """Starts workers, and looks after them until every trial has ended.

    Args:
        search: Search.
        count: Integer, how many workers.
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
        """Return when every trial has ended, or the search was told to stop."""
        # Of this machine alone: what is compiled for one may not run on another.
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
            # A worker may live too short to see that another one is gone.
            self.search.engine.reaper.look()
            self.search.engine.check()

    def _fill(self):
        """Start a process wherever one is missing and would have something to do."""
        for number in range(self.count):
            if number not in self._alive and self.search.engine.left():
                self._alive[number] = self._started(number), self._finished()

    def _started(self, number):
        own = environment(number, self.count, self.share, self.found)
        paths = os.pathsep.join(["", *sys.path]).strip(os.pathsep)
        # A file without a name, not a pipe, which would wait until it is read.
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
                # So that Ctrl-C reaches this process alone, which then tells them.
                start_new_session=True,
            )

    def _log(self, number):
        return os.path.join(self.folder, f"worker-{number}.log")

    def _finished(self):
        states = [trial.state for trial in self.search.store.trials()]
        return sum(state.is_finished() for state in states)

    def _sweep(self):
        """Take note of the processes that have ended."""
        for number, (process, finished) in list(self._alive.items()):
            if process.poll() is None:
                continue
            del self._alive[number]
            self.search.engine.reaper.lose_all_of(process.pid)
            # Whoever is killed made no mistake; its trials are counted elsewhere.
            if process.returncode <= 0 or self._finished() > finished:
                self._bad = 0
            else:
                self._bad += 1
            if self._bad >= LIMIT:
                with open(self._log(number), encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(
                        f"{LIMIT} workers in a row ended before they had done a trial. "
                        f"The last one said:\n{log.read()[-2000:]}"
                    )

    def _end(self):
        """Ask those that are left to end, which they do after their epoch."""
        for process, _ in self._alive.values():
            process.terminate()
        for process, _ in self._alive.values():
            process.wait()
            self.search.engine.reaper.lose_all_of(process.pid)
        self._alive = {}
