"""Base classes of the callbacks that measure a model while it trains."""

import abc
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from kcomponents._checks import fail, number, positive_int
from kcomponents._keras import unscaled_optimizer
from kcomponents._keras.optimizers import iterations_of
from kcomponents._text import table
from kcomponents.probes import Probe
from kcomponents.probes.inference_probe import InferenceProbe, check_data
from kcomponents.probes.layer_walk import patterns, select, watched_layers
from kcomponents.probes.statistic import join
from kcomponents.record import Reading, Record


class Monitor(keras.callbacks.Callback, abc.ABC):
    """Attaches a probe while a model trains, and adds its readings to logs and record.

    A subclass defines `_make_probe()`, `_log_epoch(epoch, reading, logs)` and `report`,
    and `_check_reading(reading)` if it acts within an epoch. It extends `_reset()`,
    which clears the state of an earlier `fit`.

    Args:
        every: Integer, optimizer steps between readings. Defaults to `None`, one
            reading per epoch.
        record: `kcomponents.record.Record` that each reading is added to. Defaults to
            `None`.
        verbose: 0 or 1. With 1, the report is printed after training. Defaults to 0.

    Raises:
        ValueError: If an argument is invalid.
    """

    def __init__(
        self,
        every: int | None = None,
        record: Record | None = None,
        verbose: int = 0,
    ):
        super().__init__()
        self.every = None if every is None else positive_int("every", every)
        if record is not None and not isinstance(record, Record):
            fail("`record` must be a `kcomponents.record.Record`.", record=record)
        self.record, self.verbose = record, verbose
        # Without readings inside the epoch, Keras can run batches without waiting.
        self.async_safe = every is None
        self._reset()

    def _reset(self):
        self.readings = []
        self._probe, self._epoch_readings = None, []
        self._epoch = self._batches = self._batches_read = self._batches_before = 0
        self._accumulated, self._steps_before = 1, 0
        self._next_reading = self.every

    @abc.abstractmethod
    def _make_probe(self):
        """Return the probe for the current model."""

    @abc.abstractmethod
    def _log_epoch(self, epoch, reading, logs):
        """Add the results of an epoch to the logs, from its joined readings."""

    def _check_reading(self, reading):
        """Act on one reading, within an epoch or at its end."""

    @property
    @abc.abstractmethod
    def report(self) -> str:
        """Table of the last `fit`."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reset the monitor and attach the probe."""
        self._reset()
        self._probe = self._make_probe()
        self._probe.attach(self.model)
        self._steps_before = iterations_of(self.model)
        optimizer = unscaled_optimizer(self.model)
        self._accumulated = getattr(optimizer, "gradient_accumulation_steps", 0) or 1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the batches of this epoch."""
        self._batches_before += self._batches
        self._batches, self._batches_read, self._epoch = 0, 0, epoch

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Read the probe if `every` steps have passed."""
        self._batches = max(self._batches, batch + 1)
        if self.every is None or self._steps_due() < self._next_reading:
            return
        self._next_reading = self._steps_due() + self.every
        self._read()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Read the rest of the epoch and add the results to the logs."""
        if not self._epoch_readings or self._batches > self._batches_read:
            self._read()
        merges = {s.name: s.merge for s in self._probe.statistics}
        whole = _join(self._epoch_readings, merges)
        self._epoch_readings = []
        self._log_epoch(epoch, whole, {} if logs is None else logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Detach the probe, and print the report if verbose."""
        self._probe.detach()
        self._probe = None
        if self.verbose:
            # Printed, not logged, to appear with the progress of `fit`.
            print(self.report)

    def _read(self):
        reading = self._probe.read(epoch=self._epoch, step=self._steps())
        self._probe.reset()
        self._batches_read = self._batches
        self._epoch_readings.append(reading)
        # Lists of units would fill memory over many epochs, so without `every` only
        # the last reading is kept.
        if self.every is None:
            self.readings.clear()
        self.readings.append(reading)
        if self.record is not None:
            self.record.add(reading)
        self._check_reading(reading)

    def _steps(self):
        """Return the number of optimizer steps in this `fit`."""
        return iterations_of(self.model) - self._steps_before

    def _steps_due(self):
        """Return the same number as if no step had been skipped."""
        return (self._batches_before + self._batches) // self._accumulated

    def __getstate__(self):
        # Tuners copy callbacks; a copy must not contain the model or a probe on it.
        return {**self.__dict__, "_probe": None, "_model": None}


class OutputMonitor(Monitor):
    """Logs one share per layer and epoch, measured in training or on given data.

    A subclass defines `KEY`, `HEADER`, `EMPTY_REPORT`, `_statistics()`,
    `_is_watched(watched)` and `_summarize`.

    Args:
        data: Inputs to measure on, or `None` to measure on the training batches.
        layers: Regular expression or list of them, or `None` for all layers.
        warn_above: Float from 0 to 1, the share above which the monitor warns, or
            `None` for no warnings.
        **kwargs: Arguments of `Monitor`.

    Raises:
        ValueError: If an argument is invalid.
    """

    KEY: str
    HEADER: tuple[str, ...]
    EMPTY_REPORT: str

    def __init__(
        self,
        data: ArrayLike | dict[str, Any] | Iterable[Any] | None,
        layers: str | Sequence[str] | None,
        warn_above: float | None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.data = None if data is None else check_data(data)
        self.layers = None if layers is None else patterns(layers)
        if warn_above is not None:
            warn_above = number("warn_above", warn_above, 0, 1)
        self.warn_above = warn_above

    def _reset(self):
        super()._reset()
        self._rows, self._warned = [], set()

    @abc.abstractmethod
    def _statistics(self):
        """Return the statistics to measure, of source `"outputs"`."""

    @abc.abstractmethod
    def _is_watched(self, watched):
        """Return whether to monitor this layer."""

    @abc.abstractmethod
    def _summarize(self, site, watched, *values):
        """Return the share, the row of the report, and the end of the warning or None.

        Return None instead of all three if the layer was not called.
        """

    def _is_hidden(self, site):
        """Return whether to leave this layer out of logs and report."""
        return False

    def _make_probe(self):
        layers = [w for w in watched_layers(self.model) if self._is_watched(w)]
        chosen = set(select([w.path for w in layers], self.layers))

        def watch(watched):
            return watched.path in chosen

        if self.data is None:
            return Probe(*self._statistics(), watch=watch)
        return InferenceProbe(*self._statistics(), data=self.data, watch=watch)

    def _log_epoch(self, epoch, reading, logs):
        if self.data is not None:
            # Every reading measures all of the data, so only the last one counts.
            reading = self.readings[-1]
        self._rows = []
        for site, watched in self._probe.sites.items():
            if self._is_hidden(site):
                continue
            values = [np.array(found[site]) for found in reading.values.values()]
            found = self._summarize(site, watched, *values)
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
            return self.EMPTY_REPORT
        return table(["layer", "activation", *self.HEADER], self._rows)


def _join(readings, merges):
    """Join readings into one, each statistic by its `merge`."""
    values = {name: dict(found) for name, found in readings[0].values.items()}
    for reading in readings[1:]:
        for name, found in reading.values.items():
            for path, value in found.items():
                values[name][path] = join(merges[name], values[name][path], value, np)
    last = readings[-1]
    return Reading(epoch=last.epoch, step=last.step, values=values)
