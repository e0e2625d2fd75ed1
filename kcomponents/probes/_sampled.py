"""Sampled tally: measures only every k-th step, so that the others cost nothing."""

import numpy as np
from keras import ops

from kcomponents import _backends
from kcomponents.probes._tally import Tally


class SampledTally(Tally):
    """Tally of every `sample`-th optimizer step, starting with the first after a reset.

    Args:
        shapes: Dict of statistics to the shapes of their values.
        sample: Integer, one of this many steps is measured.
        window: Integer, calls of the optimizer per step.
        counts: How these calls are counted, as in `kcomponents._backends`.
    """

    def __init__(self, shapes, sample, window, counts):
        super().__init__(shapes)
        self.period, self.window, self.counts = sample * window, window, counts
        on_device = counts == "device"
        self.calls = self._new_variable((1,), 0.0) if on_device else _Count()

    @property
    def carried(self):
        """The variables that the compiled step must pass through."""
        on_device = self.counts == "device"
        return [*self.variables, self.calls] if on_device else self.variables

    def due(self):
        """Return whether to measure this step, as a bool if Python counts the steps."""
        due = self.calls.value[0] < self.window
        return due if self.counts == "device" else bool(due)

    def count(self, by):
        """Count one step, measured or not."""
        if by == self.counts or by == "calls" and self.counts == "device":
            self.calls.assign((self.calls.value + 1.0) % self.period)

    def chosen(self, old, new):
        """Return the new value if this tally is due in this step, else the old one."""
        due = self.due()
        if isinstance(due, bool):
            return new if due else old
        return ops.where(due, new, old)

    def reset(self):
        """Reset values and count."""
        super().reset()
        if self.counts == "device":
            _backends.fill([self.calls], [np.zeros(1, "float32")])
        else:
            self.calls = _Count()


class _Count:
    """A count in Python with the interface of a variable."""

    def __init__(self):
        self.value = np.zeros(1, "float32")

    def assign(self, value):
        self.value = value
