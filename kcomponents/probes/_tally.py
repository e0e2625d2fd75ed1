"""Tally: numbers on the device that training steps add to."""

import keras
import numpy as np
from keras import ops

from kcomponents import _backends
from kcomponents.statistics import STARTS, join, join_all

# How many steps are joined at once, where they are put off.
TOGETHER = 64


class Tally:
    """Statistics of one place of the step, one short variable for each merge.

    Args:
        shapes: Dict of statistics and the shapes of what they measure.
        defers: Whether many steps are joined at once, where each is run by itself.
        replicas: Whether replicas see different things, so that they are put together
            on reading. Otherwise all see the same, and the first one counts.
    """

    def __init__(self, shapes, replicas=False, defers=False):
        self.shapes = {s: tuple(shape) for s, shape in shapes.items()}
        self.replicas, self.defers = replicas, defers
        self.counts = None
        self.waiting = []
        self.members = {}
        # Scalars first: they become one vector in one operation.
        for statistic in sorted(shapes, key=lambda s: len(shapes[s])):
            self.members.setdefault(statistic.merge, []).append(statistic)
        self.variables = [self._variable(merge) for merge in self.members]

    def add(self, view):
        """Join the statistics of one view to what is there."""
        if not self.defers:
            self._join_one(view)
            return
        # An operation costs more to call than to do: do many steps in one.
        own = list(self.shapes)
        self.waiting.append(view if view.small else [view.measured(s) for s in own])
        if len(self.waiting) >= TOGETHER:
            self.settle()

    def settle(self):
        """Join what was put off."""
        waiting, self.waiting = self.waiting, []
        if waiting:
            self._join(_backends.measured_together(list(self.shapes), waiting))

    def _join_one(self, view):
        """Join one step, in as few operations as can be."""
        for variable, merge in zip(self.variables, self.members, strict=True):
            found = [view.measured(s) for s in self.members[merge]]
            scalars = [f for f in found if len(f.shape) == 0]
            rest = [ops.reshape(f, (-1,)) if len(f.shape) > 1 else f for f in found]
            parts = rest[len(scalars) :]
            if scalars:
                parts = [ops.stack(scalars), *parts]
            new = parts[0] if len(parts) == 1 else ops.concatenate(parts)
            old = variable.value
            variable.assign(self.chosen(old, join(merge, old, new)))

    def _join(self, found):
        """Join the statistics of several steps, in the order of `shapes`."""
        found = dict(zip(self.shapes, found, strict=True))
        for variable, merge in zip(self.variables, self.members, strict=True):
            steps = [found[s] for s in self.members[merge]]
            flat = [ops.reshape(f, (f.shape[0], -1)) for f in steps]
            rows = flat[0] if len(flat) == 1 else ops.concatenate(flat, axis=1)
            new = rows[0] if rows.shape[0] == 1 else join_all(merge, rows)
            old = variable.value
            variable.assign(self.chosen(old, join(merge, old, new)))

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

    def count(self, by):
        """Take note of one step more, seen or not."""

    def values(self, fetched):
        """Return statistic → array, from what was fetched of the variables."""
        found = {}
        for merge, replicas in zip(self.members, fetched, strict=True):
            # Of what all see, and of what came last, the first replica's counts.
            one = merge == "last" or not self.replicas
            value = replicas[0] if one else join_all(merge, np.stack(replicas), np)
            for statistic in self.members[merge]:
                size = self._size(statistic)
                found[statistic] = value[:size].reshape(self.shapes[statistic])
                value = value[size:]
        return found

    def reset(self):
        """Start anew."""
        self.waiting = []
        values = [
            np.full(variable.shape, STARTS[merge], "float32")
            for variable, merge in zip(self.variables, self.members, strict=True)
        ]
        _backends.fill(self.variables, values)

    def _size(self, statistic):
        return int(np.prod(self.shapes[statistic]))

    def _variable(self, merge):
        size = sum(self._size(s) for s in self.members[merge])
        return self._new_variable((size,), STARTS[merge])

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
