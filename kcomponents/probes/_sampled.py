"""Sampled tally: sees each k-th step, so that the others cost nothing."""

import numpy as np
from keras import ops

from kcomponents import _backends
from kcomponents.probes._tally import Tally


class SampledTally(Tally):
    """Tally of each `sample`-th optimizer step, from the first one after a reset.

    Args:
        shapes: Dict of statistics and the shapes of what they measure.
        sample: Integer, each how many steps one is seen.
        window: Integer, how many calls of the optimizer make a step.
        counts: What counts these calls, as in `kcomponents._backends`.
    """

    def __init__(self, shapes, sample, window, counts):
        super().__init__(shapes)
        self.period, self.window, self.counts = sample * window, window, counts
        on_device = counts == "device"
        self.calls = self._new_variable((1,), 0.0) if on_device else _Count()

    @property
    def carried(self):
        """The variables that a compiled step must carry along."""
        on_device = self.counts == "device"
        return [*self.variables, self.calls] if on_device else self.variables

    def due(self):
        """Return whether this step is to be seen, as a bool where Python counts."""
        due = self.calls.value[0] < self.window
        return due if self.counts == "device" else bool(due)

    def count(self, by):
        """Take note of one step more, seen or not."""
        if by == self.counts or by == "calls" and self.counts == "device":
            self.calls.assign((self.calls.value + 1.0) % self.period)

    def chosen(self, old, new):
        """Return the value to go on with: some other tally may have been due."""
        due = self.due()
        if isinstance(due, bool):
            return new if due else old
        return ops.where(due, new, old)

    def reset(self):
        """Start anew."""
        super().reset()
        if self.counts == "device":
            _backends.fill([self.calls], [np.zeros(1, "float32")])
        else:
            self.calls = _Count()


class _Count:
    """A variable that Python keeps."""

    def __init__(self):
        self.value = np.zeros(1, "float32")

    def assign(self, value):
        self.value = value
