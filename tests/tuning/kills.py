"""Kills of a search: at random times, of its workers and of what began it."""

import contextlib
import os
import random
import subprocess
import sys
import time

import psutil

from kcomponents.tuning._storage.project import open_store, problems
from tests.tuning.found import Found

NAME = "untitled_project"
WORKER = "kcomponents.tuning._workers.process"
# Seconds that a search may take to begin, and to come to its end after the last kill.
BEGIN, LONG = 120, 900


def start_command(folder, trials, url=None, workers=2):
    """Return the command that begins a search or goes on with it."""
    command = [sys.executable, "-m", "tests.tuning.chaos", "--start", str(folder)]
    told = {"trials": trials, "workers": workers, "store": url or "journal"}
    return command + [f"--{name}={value}" for name, value in told.items()]


def wait_for(done, seconds):
    """Return as soon as a function says so, or raise an error."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"It was not so in {seconds} s: {done}.")
        time.sleep(0.2)


def _is_gone(process):
    """Tell whether a process runs no more."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Chaos:
    """A search whose processes are killed.

    Args:
        folder: Path of an empty folder.
        trials: Integer, how many the search has.
        url: String, of a database, or None for the journal.
        seed: Integer, of when is killed what.
        pause: Pair of floats, seconds between two kills, at least and at most.
    """

    def __init__(self, folder, trials, url=None, seed=0, pause=(4.0, 10.0)):
        self.folder, self.url, self.pause = str(folder), url, pause
        self.place = url or os.path.join(self.folder, NAME)
        self.found = Found("postgresql" if url else "journal", wanted=trials)
        self.random = random.Random(seed)
        self.starters, self.left, self._reader = [], {}, None

    def run(self, kills):
        """Return what came of a search and so many kills."""
        begin = time.monotonic()
        try:
            self._start()
            wait_for(self._trials, BEGIN)
            for _ in range(kills):
                self._watch(self.random.uniform(*self.pause))
                if self._is_over() and self._is_done():
                    break
                self._kill()
            wait_for(lambda: self._is_over() and self._is_done(), LONG)
        finally:
            self._end()
        self.found.seconds = time.monotonic() - begin
        return self._counted()

    def _start(self):
        with open(os.path.join(self.folder, "starter.log"), "ab") as log:
            command = start_command(self.folder, self.found.wanted, self.url)
            paths = os.pathsep.join(sys.path)
            self.starters.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONPATH": paths},
                )
            )

    def _kill(self):
        """Kill the starter or a worker, and look whether the store is whole."""
        workers = self.workers()
        starter = self.random.random() < 0.25 or not workers
        # Rather than one that is about to begin.
        busy = [worker for worker in workers if self._held(worker.pid)]
        victim = self.random.choice(busy or workers or self.starters[-1:])
        victim = self.starters[-1] if starter else victim
        held = self._held(victim.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
        wait_for(lambda: _is_gone(victim.pid), 60)
        for trial in held:
            self.left[trial.number] = time.monotonic(), trial.user_attrs["owner"]
        self.found.starters += starter
        self.found.workers += not starter
        self.found.within += bool(held)
        self.found.wrong += problems(open_store(self.place, NAME), self._weights())
        if starter:
            self._start()

    def workers(self):
        """Return the processes of workers that are alive."""
        mine = {str(starter.pid) for starter in self.starters}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                if WORKER in command and mine.intersection(command):
                    found.append(process)
        return found

    def _held(self, process):
        """Return the trials that a process has taken."""
        owner = f":{process}:"
        trials = [t for t in self._trials() if t.state.name == "RUNNING"]
        return [t for t in trials if owner in str(t.user_attrs.get("owner"))]

    def _watch(self, seconds):
        """Wait, and take note of when trials are taken up again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            self._look()

    def _look(self):
        for trial in self._trials() if self.left else ():
            begin, owner = self.left.get(trial.number, (None, None))
            now = trial.user_attrs.get("owner")
            if begin is not None and now not in (None, owner):
                self.found.recoveries.append(time.monotonic() - begin)
                del self.left[trial.number]

    def _is_over(self):
        self._look()
        return self.starters[-1].poll() is not None

    def _is_done(self):
        """Tell whether the search came to its end, or begin it again."""
        if self.starters[-1].returncode == 0:
            return True
        with open(os.path.join(self.folder, "starter.log")) as log:
            said = log.read()[-3000:]
        if "workers in a row ended before" not in said:
            raise RuntimeError(f"The search failed:\n{said}")
        # It takes so many kills without a trial done for a mistake.
        self.found.given_up += 1
        self._start()
        return False

    def _trials(self):
        """Return the trials, none before there is a store."""
        if self._reader is None:
            # Which is then only asked again, not opened again.
            with contextlib.suppress(ValueError):
                self._reader = open_store(self.place, NAME)
        return [] if self._reader is None else self._reader.trials()

    def _weights(self):
        return os.path.join(self.folder, NAME)

    def _counted(self):
        """Return what was found, with the trials that are there at the end."""
        store, found = open_store(self.place, NAME), self.found
        every = store.storage.get_all_trials(store.study)
        ended = [t.user_attrs["slot"] for t in every if t.state.name == "COMPLETE"]
        found.ended, found.twice = len(set(ended)), len(ended) - len(set(ended))
        found.attempts = max(t.user_attrs.get("attempts", 0) for t in store.trials())
        found.wrong += problems(store, self._weights())
        return found

    def _end(self):
        for process in [self.starters[-1], *self.workers()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for starter in self.starters:
            starter.wait()
