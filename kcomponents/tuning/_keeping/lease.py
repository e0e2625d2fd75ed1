"""Leases: how a worker shows that it is alive, and what becomes of the others."""

import logging
import os
import socket
import threading
import time
import uuid

logger = logging.getLogger("kcomponents")
# So often within a lease a worker shows that it is there.
BEATS = 6


def new_owner():
    """Return a name for a worker that no other has: host, process, and more."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class Reaper:
    """Gives back the trials of workers that were not heard of for a whole lease.

    What counts is this process's own clock and whether a counter moved, so that clocks
    of machines need not agree.

    Args:
        store: Store.
        seconds: Float, length of a lease.
        max_retries: Integer, how often a trial is run again.
    """

    def __init__(self, store, seconds, max_retries):
        self.store, self.seconds, self.max_retries = store, seconds, max_retries
        self._seen = {}

    def look(self):
        """Give back what lapsed since earlier looks."""
        now, seen = time.monotonic(), {}
        for trial in running(self.store):
            sign = _sign(trial)
            before, since = self._seen.get(trial.number, (None, now))
            seen[trial.number] = sign, since if before == sign else now
            if now - seen[trial.number][1] > self.seconds:
                self.lose(trial)
        self._seen = seen

    def lose(self, trial):
        """Let a trial whose worker is gone be run again, or end it after too many."""
        if _sign(self.store.read(trial)) != _sign(trial):
            # Another has seen it too, or the worker was only slow.
            return
        lost = trial.user_attrs.get("lost", 0) + 1
        owner = trial.user_attrs.get("owner")
        self.store.note(trial, lost=lost)
        if lost <= self.max_retries:
            logger.warning("The worker %s is gone; its trial is run again.", owner)
            self.store.give_back(trial)
        else:
            self.store.note(
                trial,
                reason="worker_lost",
                message=f"The worker was gone {lost} times, last {owner}.",
            )
            self.store.finish(trial, "fail")

    def lose_all_of(self, process):
        """Give back at once what a process of this machine had, which has ended."""
        begin = f"{socket.gethostname()}:{process}:"
        for trial in running(self.store):
            if str(trial.user_attrs.get("owner")).startswith(begin):
                self.lose(trial)


def running(store):
    """Return the trials that some worker has taken."""
    return [trial for trial in store.trials() if trial.state.name == "RUNNING"]


def _sign(trial):
    """Return what changes while a worker is alive, and when another takes over."""
    known = trial.user_attrs
    return trial.state, trial.datetime_start, known.get("owner"), known.get("beat")


class Lease:
    """A context in which a trial is shown to be alive; `lost` is set when it was taken.

    Args:
        store: Store.
        trial: Frozen trial.
        owner: String.
        reaper: Reaper, which looks after the others meanwhile.
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
                # A store that is away for a while must not end a training.
                logger.warning("The store could not be reached: %s", error)

    def _show(self, count):
        if not self.store.owns(self.trial, self.owner):
            self.lost.set()
            self._end.set()
            return
        self.store.note(self.trial, beat=count)
        self.reaper.look()
