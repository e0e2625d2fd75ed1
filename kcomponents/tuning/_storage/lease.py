"""Leases: a worker shows that it is alive, and dead workers lose their trials."""

import logging
import os
import socket
import threading
import time
import uuid

logger = logging.getLogger("kcomponents")
# Heartbeats per lease.
BEATS = 6


def new_owner():
    """Return a unique name for a worker: host, process id and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class Reaper:
    """Gives back the trials of workers without a heartbeat for a whole lease.

    It compares heartbeat counters by this process's own clock, so the clocks of
    several machines need not agree.

    Args:
        store: Store.
        seconds: Float, length of a lease in seconds.
        max_retries: Integer, how many times a trial is retried.
    """

    def __init__(self, store, seconds, max_retries):
        self.store, self.seconds, self.max_retries = store, seconds, max_retries
        self._seen = {}

    def look(self):
        """Give back the trials whose leases have expired."""
        now, seen = time.monotonic(), {}
        for trial in running(self.store):
            sign = _sign(trial)
            before, since = self._seen.get(trial.number, (None, now))
            seen[trial.number] = sign, since if before == sign else now
            if now - seen[trial.number][1] > self.seconds:
                self.lose(trial)
        self._seen = seen

    def lose(self, trial):
        """Retry a trial whose worker is gone, or fail it after too many retries."""
        if _sign(self.store.read(trial)) != _sign(trial):
            # Another process was faster, or the worker is alive after all.
            return
        lost = trial.user_attrs.get("lost", 0) + 1
        owner = trial.user_attrs.get("owner")
        self.store.note(trial, lost=lost)
        if lost <= self.max_retries:
            logger.warning("Worker %s is gone; retrying its trial.", owner)
            self.store.give_back(trial)
        else:
            self.store.note(
                trial,
                reason="worker_lost",
                message=f"The trial lost its worker {lost} times, last {owner}.",
            )
            self.store.finish(trial, "fail")

    def lose_all_of(self, process):
        """Give back the trials of a process on this machine that has ended."""
        begin = f"{socket.gethostname()}:{process}:"
        for trial in running(self.store):
            if str(trial.user_attrs.get("owner")).startswith(begin):
                self.lose(trial)


def running(store):
    """Return the trials that a worker is running."""
    return [trial for trial in store.trials() if trial.state.name == "RUNNING"]


def _sign(trial):
    """Return a value that changes with each heartbeat and each new owner."""
    known = trial.user_attrs
    return trial.state, trial.datetime_start, known.get("owner"), known.get("beat")


class Lease:
    """A context that sends heartbeats for a trial; `lost` is set if another takes it.

    Args:
        store: Store.
        trial: Frozen trial.
        owner: String, name of this worker.
        reaper: Reaper, which checks the other workers at each heartbeat.
    """

    def __init__(self, store, trial, owner, reaper):
        self.store, self.trial, self.owner, self.reaper = store, trial, owner, reaper
        self.lost = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        self._thread.join()

    def _beat(self):
        count = 0
        while not self._end.wait(self.reaper.seconds / BEATS):
            count += 1
            try:
                self._show(count)
            except Exception as error:
                # A store that is unreachable for a while must not end the trial.
                logger.warning("Cannot reach the store: %s", error)

    def _show(self, count):
        if not self.store.owns(self.trial, self.owner):
            self.lost.set()
            self._end.set()
            return
        self.store.note(self.trial, beat=count)
        self.reaper.look()
