"""Workers as processes on this machine; those that end early are replaced."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time

from kcomponents._text import clean
from kcomponents.tuning._storage.lease import is_owner, new_name
from kcomponents.tuning._storage.project import ProjectFolder
from kcomponents.tuning._workers.environment import environment, share_of, visible_gpus
from kcomponents.tuning._workers.payload import to_bytes

logger = logging.getLogger("kcomponents")
# This many workers in a row that end without finishing a trial mean a fault that the
# next one would have too.
LIMIT = 3
# Of the log of such a worker, the most lines to show, and the most bytes to read.
LAST_LINES, LAST_BYTES = 20, 4000
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
        self.folder = ProjectFolder(search.project_dir)
        os.makedirs(self.folder.own_file("workers"), exist_ok=True)
        # Compiled programs are code, so they are not kept in the folder of the search,
        # to which others may write.
        self._compiled = tempfile.TemporaryDirectory(prefix="kcomponents-")
        # Number of a worker → its process; and how many of these processes in a row
        # ended without finishing a trial.
        self._alive, self._failures = {}, dict.fromkeys(range(count), 0)

    def run(self, stop, show_progress):
        """Run until every trial has ended or the search is stopped.

        Raises:
            RuntimeError: If workers end repeatedly without finishing a trial.
        """
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
                self._alive[number] = self._start(number)

    def _start(self, number):
        own = environment(number, self.count, self.share, self.gpus)
        paths = os.pathsep.join(["", *sys.path]).strip(os.pathsep)
        name, parent = new_name(), str(os.getpid())
        path = self.folder.own_file("workers", f"worker-{number}.log")
        # A temporary file: writing to a pipe would block until the worker reads it.
        with open(path, "ab") as log, tempfile.TemporaryFile() as content:
            begin = log.seek(0, os.SEEK_END)
            content.write(self.content)
            content.seek(0)
            module = __package__ + ".process"
            process = subprocess.Popen(
                [sys.executable, "-m", module, parent, self._compiled.name, name],
                env={**os.environ, **own, "PYTHONPATH": paths},
                stdin=content,
                stdout=log,
                stderr=log,
                # Ctrl-C then reaches only this process, which ends the workers.
                start_new_session=True,
            )
        return WorkerProcess(process, name, path, begin)

    def _remove_ended(self):
        """Remove the processes that have ended, and take back their trials."""
        for number, worker in list(self._alive.items()):
            if worker.process.poll() is None:
                continue
            del self._alive[number]
            # Its trial may be what ends workers: `max_retries` limits that.
            trials = self.search.store.trials()
            has_trial = any(is_owner(trial, worker.name) for trial in trials)
            self.search.engine.reaper.reclaim_from(worker.name)
            if has_trial:
                self._failures[number] = 0
            else:
                self._count_failure(number, worker)

    def _count_failure(self, number, worker):
        """Count a worker that ended without a trial; raise if there are too many."""
        self._failures[number] += 1
        count = self._failures[number]
        if count == LIMIT:
            raise RuntimeError(
                f"Worker {number} ended {LIMIT} times in a row without finishing a "
                f"trial, the last time {worker.ending}. {worker.advice} Then run the "
                "search again to resume it.\n"
                f"The last lines of {worker.log}:\n{worker.last_lines()}"
            )
        logger.warning(
            "Worker %d ended without finishing a trial, %s. It is started again "
            "(%d of %d). Its log: %s",
            *(number, worker.ending, count, LIMIT - 1, worker.log),
        )

    def _end(self):
        """Ask the remaining workers to end, and wait for their current epochs."""
        for worker in self._alive.values():
            worker.process.terminate()
        for worker in self._alive.values():
            worker.process.wait()
            self.search.engine.reaper.reclaim_from(worker.name)
        self._alive = {}
        self._compiled.cleanup()


class WorkerProcess:
    """A process that runs trials.

    Args:
        process: `subprocess.Popen`.
        name: String, by which the store shows which trials are its own.
        log: Path of the file that it prints to, after earlier workers.
        begin: Integer, position in the file at which its own lines begin.
    """

    def __init__(self, process, name, log, begin):
        self.process, self.name = process, name
        self.log, self._begin = log, begin

    @property
    def ending(self):
        """How the process ended, as a part of a sentence."""
        code = self.process.returncode
        if code >= 0:
            return f"with exit code {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            # Real-time signals have no names.
            return f"killed by signal {-code}"

    @property
    def advice(self):
        """What to do when workers end like this one."""
        code = self.process.returncode
        if code == -signal.SIGKILL:
            return (
                "Probably the memory was full: use fewer `workers`, less data, or a "
                "machine with more memory."
            )
        if code in (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP):
            return "Another program ends the workers: find out which one."
        if code < 0:
            return (
                "The backend or another library crashed: check its installation and "
                "its drivers."
            )
        if code == 0:
            return "Check that the code does not call `sys.exit`."
        return (
            "Fix the error in its log. If a module is missing there, put it into the "
            "folder of the script or install it."
        )

    def last_lines(self):
        """Return the last lines that the process printed."""
        with open(self.log, "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._begin, size - LAST_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        lines = [clean(line, keep="\t") for line in lines[-LAST_LINES:]]
        return "\n".join(lines) or "It printed nothing."
