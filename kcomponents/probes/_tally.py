"""Tally: numbers on the device that training steps add to."""

import keras
import numpy as np
from keras import ops

from kcomponents import _backends
from kcomponents.statistics import MERGES


class Tally:
    """Statistics of one place of the step, one short variable for each merge.

    Args:
        shapes: Dict of statistics and the shapes of what they measure.
        replicas: Whether replicas see different things, so that they are put together
            on reading. Otherwise all see the same, and the first one counts.
    """

    def __init__(self, shapes, replicas=False):
        self.shapes = {s: tuple(shape) for s, shape in shapes.items()}
        self.replicas = replicas
        self.members = {}
        for statistic in shapes:
            self.members.setdefault(statistic.merge, []).append(statistic)
        self.variables = [self._variable(merge) for merge in self.members]

    def add(self, view):
        """Join the statistics of one view to what is there."""
        for variable, merge in zip(self.variables, self.members, strict=True):
            found = [view.measured(s) for s in self.members[merge]]
            flat = [ops.reshape(f, (-1,)) for f in found]
            new = flat[0] if len(flat) == 1 else ops.concatenate(flat)
            _, join = MERGES[merge]
            variable.assign(self.chosen(variable.value, join(variable.value, new)))

    def chosen(self, old, new):
        """Return the value to go on with."""
        return new

    @property
    def carried(self):
        """The variables that a compiled step must carry along."""
        return self.variables

    def due(self):
        """Return whether this step is to be seen."""
        return True

    def count(self):
        """Take note of one step more, seen or not."""

    def values(self, fetched):
        """Return statistic → array, from what was fetched of the variables."""
        found = {}
        for merge, replicas in zip(self.members, fetched, strict=True):
            value = _together(merge, replicas if self.replicas else replicas[:1])
            for statistic in self.members[merge]:
                size = self._size(statistic)
                found[statistic] = value[:size].reshape(self.shapes[statistic])
                value = value[size:]
        return found

    def reset(self):
        """Start anew."""
        values = [
            np.full(variable.shape, MERGES[merge][0], "float32")
            for variable, merge in zip(self.variables, self.members, strict=True)
        ]
        _backends.fill(self.variables, values)

    def _size(self, statistic):
        return int(np.prod(self.shapes[statistic]))

    def _variable(self, merge):
        size = sum(self._size(s) for s in self.members[merge])
        return self._new_variable((size,), MERGES[merge][0])

    def _new_variable(self, shape, start):
        return keras.Variable(
            keras.initializers.Constant(start),
            shape=shape,
            dtype="float32",
            trainable=False,
            autocast=False,
            # Each replica writes to its own, without waiting for the others.
            synchronization="on_read",
            aggregation="sum" if self.replicas else "only_first_replica",
            name="tally",
        )


def _together(merge, replicas):
    joins = {"sum": np.sum, "max": np.max, "min": np.min}
    return joins.get(merge, lambda values, axis: values[0])(np.stack(replicas), axis=0)
