"""Base class of the monitors that measure layer outputs."""

import abc
import warnings

import numpy as np

from kcomponents._check import number
from kcomponents.callbacks._monitor import Monitor
from kcomponents.callbacks._table import table
from kcomponents.probes import Probe
from kcomponents.probes._look import Look, check_data
from kcomponents.probes._watched import patterns, select, watched_layers


class OutputMonitor(Monitor):
    """Logs one share per layer and epoch, measured in training or on given data.

    A subclass defines `KEY`, `HEADER`, `NOTHING`, `_statistics()`, `_watches(watched)`
    and `_see_site`.
    """

    def __init__(self, data, layers, warn_above, **kwargs):
        super().__init__(**kwargs)
        self.data = None if data is None else check_data(data)
        self.layers = None if layers is None else patterns(layers)
        limited = warn_above is not None
        self.warn_above = number("warn_above", warn_above, 0, 1) if limited else None

    def _forget(self):
        super()._forget()
        self._rows, self._warned = [], set()

    @abc.abstractmethod
    def _statistics(self):
        """Return the statistics to measure, of source `"outputs"`."""

    @abc.abstractmethod
    def _watches(self, watched):
        """Return whether to monitor this layer."""

    @abc.abstractmethod
    def _see_site(self, site, watched, *values):
        """Return the share, the row of the report, and the end of the warning or None.

        Return None instead of all three if the layer was not called.
        """

    def _hides(self, site):
        """Return whether to leave this layer out of logs and report."""
        return False

    def _make_probe(self):
        layers = [w for w in watched_layers(self.model) if self._watches(w)]
        chosen = set(select([w.path for w in layers], self.layers))

        def watch(watched):
            return watched.path in chosen

        if self.data is None:
            return Probe(*self._statistics(), watch=watch)
        return Look(*self._statistics(), data=self.data, watch=watch)

    def _see_epoch(self, epoch, reading, logs):
        if self.data is not None:
            # Every reading measures all of the data, so only the last one counts.
            reading = self.readings[-1]
        self._rows = []
        for site, watched in self._probe.sites.items():
            if self._hides(site):
                continue
            values = [np.array(found[site]) for found in reading.values.values()]
            found = self._see_site(site, watched, *values)
            if found is None:
                continue
            share, row, finding = found
            logs[f"{self.KEY}/{site}"] = share
            self._rows.append([site, watched.activation, *row])
            if finding and self.warn_above is not None and share > self.warn_above:
                self._warn(site, f"Epoch {epoch + 1}: {share:.0%} {finding}.")

    def _warn(self, site, message):
        if site not in self._warned:
            self._warned.add(site)
            warnings.warn(message, stacklevel=2)

    @property
    def report(self) -> str:
        """Table of the last epoch of the last `fit`."""
        if not self._rows:
            return self.NOTHING
        return table(["layer", "activation", *self.HEADER], self._rows)


def per_unit(reduce, outputs, axis):
    """Reduce a tensor over all axes but the axis of the units."""
    rank = len(outputs.shape)
    if rank == 1:
        # One number per sample: one unit.
        return reduce(outputs, axis=0, keepdims=True)
    axes = tuple(i for i in range(rank) if i != axis % rank)
    return reduce(outputs, axis=axes)
