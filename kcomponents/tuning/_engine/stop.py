"""Stop: whether a worker was asked to end, and by whom."""

import contextlib
import os
import signal
import threading
import time


class Stop:
    """Says whether to end after the epoch that is running.

    Args:
        store: Store, whose fact `"stop"` the command `stop` sets.
        hours: Float, or None: when to end in any case.
        parent: Integer, or None: a process without which this one has no purpose.
    """

    def __init__(self, store, hours=None, parent=None):
        self.store, self.parent = store, parent
        self.end = None if hours is None else time.monotonic() + 3600 * hours
        self.why = None
        self._looked = -1e9

    @property
    def asked(self):
        """Whether the search is to end here."""
        if self.why is None:
            self.why = self._reason()
        return self.why is not None

    def _reason(self):
        if self.end is not None and time.monotonic() > self.end:
            return "the time is over"
        if self.parent is not None and os.getppid() != self.parent:
            return "the process that began the search is gone"
        # The store is asked now and then only: a database is far away.
        if time.monotonic() - self._looked > 1.0:
            self._looked = time.monotonic()
            if self.store.facts.get("stop"):
                return "it was told to stop"
        return None

    @contextlib.contextmanager
    def on_signals(self):
        """Return a context in which a first SIGTERM or SIGINT asks to end.

        A second one ends at once.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self._told)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told(self, number, frame):
        if self.why is not None:
            raise KeyboardInterrupt
        self.why = f"it got {signal.Signals(number).name}"
