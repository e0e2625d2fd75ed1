"""Tallies: accumulate statistics of training steps on the device."""

import dataclasses

import keras
import numpy as np
from keras import ops

from kcomponents import _backends
from kcomponents._checks import fail
from kcomponents.probes._views import SMALL_VIEWS
from kcomponents.probes.statistic import OF_ONE_STEP, STARTS, join, join_all

# Number of steps that are joined at once, if joining is deferred.
TOGETHER = 64


class Tally:
    """Statistics of one source or layer, in one short variable for each `merge`.

    Args:
        shapes: Dict of statistics to the shapes of their values.
        replicas: Boolean, whether replicas measure different values, which are joined
            when they are read. Otherwise the first replica's values are used. Defaults
            to `False`.
        defers: Boolean, whether to join many steps at once. This is faster if
            operations run one by one. Defaults to `False`.
    """

    def __init__(self, shapes, replicas=False, defers=False):
        self.shapes = {s: tuple(shape) for s, shape in shapes.items()}
        self.replicas, self.defers = replicas, defers
        self.failure = None
        # The steps that are not joined yet, if joining is deferred.
        self._waiting = _backends.StepBuffer(TOGETHER) if defers else ()
        self.members = {}
        # Scalars first, because they are stacked in one operation.
        for statistic in sorted(shapes, key=lambda s: len(shapes[s])):
            self.members.setdefault(statistic.merge, []).append(statistic)
        self.variables = [self._variable(merge) for merge in self.members]

    def add(self, view):
        """Add the statistics of one view.

        A statistic that fails must not end the step: `failure` is raised when the tally
        is read.
        """
        if self.failure is not None:
            return
        try:
            self._add(view)
        except Warning:
            raise
        except Exception as error:
            self.failure = error

    def _add(self, view):
        if not self.defers:
            self._join_one(view)
            return
        # Calling an operation costs more than its work, so join many steps in one call.
        if view.small:
            self._waiting.add(_parts_of(view))
        else:
            self._waiting.add([view.measured(s) for s in self.shapes])
        if len(self._waiting) >= TOGETHER:
            self.settle()

    def settle(self):
        """Join the deferred steps."""
        if not self._waiting:
            return
        stacked = self._waiting.stacked()
        # Empty also if joining fails.
        self._waiting.clear()
        if kind := SMALL_VIEWS.get(next(iter(self.shapes)).source):
            stacked = _backends.measured_together([*self.shapes], kind, stacked)
        self._join(stacked)

    def _join_one(self, view):
        """Join one step, in few operations."""
        for variable, merge in zip(self.variables, self.members, strict=True):
            found = [view.measured(s) for s in self.members[merge]]
            scalars = [f for f in found if len(f.shape) == 0]
            rest = [ops.reshape(f, (-1,)) if len(f.shape) > 1 else f for f in found]
            parts = rest[len(scalars) :]
            if scalars:
                parts = [ops.stack(scalars), *parts]
            new = parts[0] if len(parts) == 1 else ops.concatenate(parts)
            old = variable.value
            variable.assign(join(merge, old, new))

    def _join(self, found):
        """Join the statistics of several steps, in the order of `shapes`."""
        found = dict(zip(self.shapes, found, strict=True))
        for variable, merge in zip(self.variables, self.members, strict=True):
            steps = [found[s] for s in self.members[merge]]
            flat = [ops.reshape(f, (f.shape[0], -1)) for f in steps]
            rows = flat[0] if len(flat) == 1 else ops.concatenate(flat, axis=1)
            new = rows[0] if rows.shape[0] == 1 else join_all(merge, rows)
            old = variable.value
            variable.assign(join(merge, old, new))

    def values(self, fetched):
        """Return statistic → array, from the fetched values of the variables."""
        found = {}
        for merge, replicas in zip(self.members, fetched, strict=True):
            # For equal values, and for a value of one step, use the first replica.
            one = merge in OF_ONE_STEP or not self.replicas
            value = replicas[0] if one else join_all(merge, np.stack(replicas), np)
            for statistic in self.members[merge]:
                size = self._size(statistic)
                found[statistic] = value[:size].reshape(self.shapes[statistic])
                value = value[size:]
        return found

    def reset(self):
        """Reset all values."""
        if self.defers:
            self._waiting.clear()
        values = [
            np.full(variable.shape, STARTS[merge], "float32")
            for variable, merge in zip(self.variables, self.members, strict=True)
        ]
        _backends.fill(self.variables, values)

    @property
    def layout(self):
        """The names and shapes of the statistics, as plain values."""
        return [[s.name, list(shape)] for s, shape in self.shapes.items()]

    def get_state(self):
        """Return all values and the deferred steps, as plain values and arrays.

        Deferred steps are not joined, because joining fewer at once would round the
        sums in another way.
        """
        return {
            "layout": self.layout,
            "values": [list(found) for found in _backends.fetch(self.variables)],
            "waiting": list(
                map(_array, self._waiting.stacked() if self.defers else ())
            ),
        }

    def set_state(self, state):
        """Restore what `get_state` returned.

        Raises:
            ValueError: If the state is of another tally.
        """
        places = [_backends.replica_variables(v) for v in self.variables]
        own = [[tuple(v.shape) for v in found] for found in places]
        saved = [[np.shape(value) for value in found] for found in state["values"]]
        if state["layout"] != self.layout or saved != own:
            rule = "The saved measurements must be of the same statistics and shapes."
            fail(rule, layout=self.layout, saved=state["layout"])
        if self.defers:
            self._waiting.clear()
            tensors = [ops.convert_to_tensor(part) for part in state["waiting"]]
            for parts in zip(*tensors, strict=True):
                self._waiting.add(parts)
        for found, values in zip(places, state["values"], strict=True):
            for variable, value in zip(found, values, strict=True):
                variable.assign(np.asarray(value, "float32"))

    def _size(self, statistic):
        return int(np.prod(self.shapes[statistic]))

    def _variable(self, merge):
        size = sum(self._size(s) for s in self.members[merge])
        return keras.Variable(
            # Not an initializer, of which JAX compiles each operation for each shape.
            np.full(size, STARTS[merge], "float32"),
            dtype="float32",
            trainable=False,
            autocast=False,
            # Each replica has its own copy and does not wait for the others.
            synchronization="on_read",
            aggregation="sum" if self.replicas else "only_first_replica",
            name="tally",
        )


def _array(tensor):
    """Return a copy of a tensor."""
    return np.array(ops.convert_to_numpy(tensor))


def _parts_of(view):
    return [getattr(view, field.name) for field in dataclasses.fields(view)]
