"""Optuna's messages, silenced for the calls of a search only."""

import contextlib
import threading
from collections.abc import Iterator

from kcomponents._optional import optuna

# Optuna has one level for the whole process: two threads that change and restore it
# at the same time could leave it changed.
_LOCK = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what Optuna logs below a warning, and restore its level afterwards."""
    with _LOCK:
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
        try:
            yield
        finally:
            optuna.logging.set_verbosity(level)
