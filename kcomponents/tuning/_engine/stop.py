"""Stop: whether a process must stop after the current epoch, and why."""

import contextlib
import os
import signal
import threading
import time


class Stop:
    """Decides whether to stop after the current epoch.

    Args:
        store: Store; the command `stop` sets its fact `"stop"`.
        hours: Float or None, time limit in hours.
        parent: Integer or None, ID of the parent process; stop if it is gone.

    Attributes:
        reason: String, why to stop, or `None`.
    """

    def __init__(self, store, hours=None, parent=None):
        self.store, self.parent = store, parent
        self.reason = None
        self._end = None if hours is None else time.monotonic() + 3600 * hours
        self._last_query = -1e9

    @property
    def is_due(self):
        """Whether this process must stop."""
        if self.reason is None:
            self.reason = self._find_reason()
        return self.reason is not None

    def _find_reason(self):
        if self._end is not None and time.monotonic() > self._end:
            return "the time limit is reached"
        if self.parent is not None and os.getppid() != self.parent:
            return "the parent process is gone"
        # At most once per second: a database may be slow to answer.
        if time.monotonic() - self._last_query > 1.0:
            self._last_query = time.monotonic()
            if self.store.facts.get("stop"):
                return "the command `stop` was given"
        return None

    @contextlib.contextmanager
    def on_signals(self):
        """Return a context in which SIGTERM or SIGINT stops after the current epoch.

        A second signal raises `KeyboardInterrupt` at once.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number, frame):
        if self.reason is not None:
            raise KeyboardInterrupt
        self.reason = f"it got {signal.Signals(number).name}"
