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
        self._thread = threading.Thread(target=self._send_heartbeats, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        self._thread.join()

    def _send_heartbeats(self):
        count = 0
        while not self._end.wait(self.reaper.seconds / BEATS):
            count += 1
            try:
                self._send_heartbeat(count)
            except Exception as error:
                # A store that is unreachable for a while must not end the trial.
                logger.warning("Cannot reach the store: %s", error)

    def _send_heartbeat(self, count):
        if not self.store.owns(self.trial, self.owner):
            self.lost.set()
            self._end.set()
            return
        self.store.note(self.trial, beat=count)
        self.reaper.reclaim_expired()


class Reaper:
    """Takes back the trials of workers without a heartbeat for a whole lease.

    It compares heartbeat counters by this process's own clock, so the clocks of
    several machines need not agree.

    Args:
        store: Store.
        seconds: Float, length of a lease in seconds.
        max_retries: Integer, how many times a trial is retried.
    """

    def __init__(self, store, seconds, max_retries):
        self.store, self.seconds, self.max_retries = store, seconds, max_retries
        # Trial number → sign of life, and the time at which it was first seen.
        self._signs = {}

    def reclaim_expired(self):
        """Take back the trials whose leases have expired."""
        now, signs = time.monotonic(), {}
        for trial in running_trials(self.store):
            sign = _sign_of_life(trial)
            before, since = self._signs.get(trial.number, (None, now))
            signs[trial.number] = sign, since if before == sign else now
            if now - signs[trial.number][1] > self.seconds:
                self.reclaim(trial)
        self._signs = signs

    def reclaim_from(self, name):
        """Take back the trials of a worker that has ended.

        Args:
            name: String, the name that was given to `new_owner`.
        """
        for trial in running_trials(self.store):
            if is_owner(trial, name):
                self.reclaim(trial)

    def reclaim(self, trial):
        """Retry a trial whose worker is gone, or fail it after too many retries."""
        if _sign_of_life(self.store.read(trial)) != _sign_of_life(trial):
            # Another process was faster, or the worker is alive after all.
            return
        count = trial.user_attrs.get("lost", 0) + 1
        owner = trial.user_attrs.get("owner")
        self.store.note(trial, lost=count)
        if count <= self.max_retries:
            logger.warning("Worker %s is gone; retrying its trial.", owner)
            self.store.release(trial)
        else:
            self.store.note(
                trial,
                # An earlier worker may have been lost after it noted a score.
                score=None,
                reason="worker_lost",
                message=f"The trial lost its worker {count} times, last {owner}.",
            )
            self.store.finish(trial, "fail")


def new_name():
    """Return a name for a worker that no other worker has."""
    return uuid.uuid4().hex[:16]


def new_owner(name=None):
    """Return the owner of trials that this process runs, for people to find it.

    Hosts and process numbers may be the same in several containers, so only the name
    decides which worker it is.

    Args:
        name: String, from `new_name`. Defaults to `None`, a new one.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{name or new_name()}"


def is_owner(trial, name):
    """Return whether the worker with this name has the trial, or had it at its end."""
    return str(trial.user_attrs.get("owner")).endswith(f":{name}")


def running_trials(store):
    """Return the trials that a worker is running."""
    return [trial for trial in store.trials() if trial.state.name == "RUNNING"]


def _sign_of_life(trial):
    """Return a value that changes with each heartbeat and each new owner."""
    facts = trial.user_attrs
    return trial.state, trial.datetime_start, facts.get("owner"), facts.get("beat")
