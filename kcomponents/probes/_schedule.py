"""Schedules: which steps of a training are watched."""

from typing import Protocol


class Schedule(Protocol):
    """Says of each call of the train function whether its steps are watched."""

    def is_due(self) -> bool:
        """Return whether to watch the next call."""

    def is_near(self) -> bool:
        """Return whether to compile now, beside training, for a later call."""

    def count(self) -> None:
        """Count one call, watched or not."""

    def reset(self) -> None:
        """Begin with a new reading."""

    def get_state(self) -> int:
        """Return the count of calls."""

    def set_state(self, state: int) -> None:
        """Continue from a count of calls."""


class EveryNth:
    """Watches one of `sample` optimizer steps, the first after each reading.

    Args:
        sample: Integer, one of this many steps is watched.
        window: Integer, calls of the train function per optimizer step.
    """

    def __init__(self, sample, window=1):
        self._period, self._window, self._calls = sample * window, window, 0

    def is_due(self):
        """Return whether to watch the next call."""
        return self._calls % self._period < self._window

    def is_near(self):
        """Return False: the first step is watched."""
        return False

    def count(self):
        """Count one call, watched or not."""
        self._calls += 1

    def reset(self):
        """Begin with a new reading."""
        self._calls = 0

    def get_state(self):
        """Return the count of calls."""
        return self._calls

    def set_state(self, state):
        """Continue from a count of calls."""
        self._calls = int(state)


def calls_per_step(model, optimizer):
    """Return how many calls of the train function make one optimizer step."""
    batches = getattr(optimizer, "gradient_accumulation_steps", None) or 1
    return -(-batches // model.steps_per_execution)
