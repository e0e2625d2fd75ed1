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
    """

    def __init__(self, shapes, sample, window):
        super().__init__(shapes)
        self.period, self.window = sample * window, window
        in_python = _backends.counts_in_python
        self.calls = _Count() if in_python else self._new_variable((1,), 0.0)

    @property
    def carried(self):
        """The variables that a compiled step must carry along."""
        return [*self.variables, self.calls]

    def due(self):
        """Return whether this step is to be seen."""
        return self.calls.value[0] < self.window

    def count(self):
        """Take note of one step more, seen or not."""
        self.calls.assign((self.calls.value + 1.0) % self.period)

    def chosen(self, old, new):
        """Return the value to go on with: some other tally may have been due."""
        return ops.where(self.due(), new, old)

    def reset(self):
        """Start anew."""
        super().reset()
        _backends.fill([self.calls], [np.zeros(1, "float32")])


class _Count:
    """A variable that Python keeps."""

    def __init__(self):
        self.value = np.zeros(1, "float32")

    def assign(self, value):
        self.value = value
