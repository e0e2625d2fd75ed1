"""What monitors of the outputs of layers share."""

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
    """Base: a share of each watched layer's units, per epoch, in training or of data.

    A monitor gives `KEY`, `HEADER` and `NOTHING`, `_statistics()`, `_watches(watched)`
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
        """Return the statistics of outputs to measure."""

    @abc.abstractmethod
    def _watches(self, watched):
        """Tell whether this is a layer to watch."""

    @abc.abstractmethod
    def _see_site(self, site, watched, *values):
        """Return share, row of the report, and what to warn of (or None).

        Or None instead of all that, for a layer that was not called.
        """

    def _hides(self, site):
        """Tell a site that is measured and yet not reported."""
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
            # Looks at the same data do not add up: the last one counts.
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
                self._warn(site, f"Epoch {epoch}: {share:.0%} of {site!r} {finding}.")

    def _warn(self, site, message):
        if site not in self._warned:
            self._warned.add(site)
            warnings.warn(message, stacklevel=2)

    @property
    def report(self):
        """What was found in the last epoch of the last fit, as a table."""
        if not self._rows:
            return self.NOTHING
        return table(["layer", "activation", *self.HEADER], self._rows)


def per_unit(reduce, outputs, axis):
    """Reduce a tensor over all axes but that of the units."""
    rank = len(outputs.shape)
    if rank == 1:
        # One number for each row is one unit.
        return reduce(outputs, axis=0, keepdims=True)
    axes = tuple(i for i in range(rank) if i != axis % rank)
    return reduce(outputs, axis=axes)
