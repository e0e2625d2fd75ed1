"""Base classes of the callbacks that measure a model while it trains."""

import abc
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kcomponents import _console
from kcomponents._checks import boolean, fail, number, positive_int
from kcomponents._examination.observer import Observer
from kcomponents._examination.record_state import (
    readings_of,
    restore_record,
    state_of_readings,
    state_of_record,
)
from kcomponents._keras import last_step, unscaled_optimizer
from kcomponents._keras.optimizers import iterations_of
from kcomponents._text import table
from kcomponents.callbacks._training_state import copy_state
from kcomponents.probes import Probe
from kcomponents.probes.inference_probe import InferenceProbe, check_data
from kcomponents.probes.layer_walk import patterns, select, watched_layers
from kcomponents.probes.statistic import join
from kcomponents.record import Reading, Record

NO_VARIABLES = (
    "No variable of the model is trained, so there are no gradients to measure."
)
OTHER_OPTIMIZERS = (
    "The optimizer of `compile` gets no gradients in this training: a `train_step` "
    "uses others, so gradients, updates and skipped steps cannot be measured."
)


class Monitor(Observer, abc.ABC):
    """Attaches a probe while a model trains, and adds its readings to logs and record.

    A subclass defines `_make_probe()`, `_log_epoch(epoch, reading, logs)` and `report`,
    and `_check_reading(reading)` if it acts within an epoch. It extends `_reset()`,
    which clears the state of an earlier `fit`. The attributes that `_reset()` creates
    are the state that a resumed run restores; they are plain values, arrays, sets of
    strings and lists of readings.

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
        self._names, others = [], {*vars(self), "_probe", "_accumulated", "_names"}
        self._reset()
        self._state_names = [name for name in vars(self) if name not in others]

    def _reset(self):
        self.readings, self._warned = [], set()
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
        self._names = [*self._probe.sites, *getattr(self._probe, "paths", ())]
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
        self._batches = max(self._batches, last_step(self, batch) + 1)
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
            _console.show(self._report_to_print())

    def _report_to_print(self):
        return self.report

    def _stop_observing(self):
        if self._probe is not None:
            self._probe.detach()

    @property
    def _is_measuring(self):
        """Whether the probe is attached; it is not after a failure."""
        return self._probe is not None and self._probe.model is not None

    def get_state(self) -> dict[str, Any]:
        """Return what was measured so far, as a dict of plain values and arrays."""
        return {
            "names": list(self._names),
            "attributes": {n: _saved(getattr(self, n)) for n in self._state_names},
            "probe": self._probe.get_state() if self._is_measuring else None,
            "record": state_of_record(self.record),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that `get_state` returned, during training.

        Args:
            state: Dict that `get_state` returned.

        Raises:
            ValueError: If the state is of a monitor with other settings.
        """
        if self._is_measuring and state["probe"] is not None:
            self._probe.set_state(state["probe"])
        attributes, own = state["attributes"], self._names
        if own != state["names"] and len(own) == len(state["names"]):
            # Keras numbers layers, so a second model has other names.
            renamed = dict(zip(state["names"], own, strict=True))
            attributes = _rename(attributes, renamed)
        for name in self._state_names:
            if name in attributes:
                value = _restored(name, getattr(self, name), attributes[name])
                setattr(self, name, value)
        restore_record(self.record, state["record"])

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
        """Return the number of optimizer steps in this `fit`.

        If other optimizers than that of `compile` train the model, batches count.
        """
        steps = iterations_of(self.model) - self._steps_before
        known = steps or getattr(self._probe, "optimizer_used", True)
        return steps if known else self._batches_before + self._batches

    def _steps_due(self):
        """Return the same number as if no step had been skipped."""
        return (self._batches_before + self._batches) // self._accumulated

    def _has_gradients(self):
        """Return whether the optimizer of `compile` gets gradients; warn if not.

        Before the first batch, this is not known.
        """
        if not self._probe.variables:
            self._warn("no variables", NO_VARIABLES)
            return False
        moved = iterations_of(self.model) != self._steps_before
        if moved or self._probe.optimizer_used or not self._batches:
            return True
        self._warn("other optimizers", OTHER_OPTIMIZERS)
        return False

    def _warn(self, about, message):
        """Warn of something once per `fit`."""
        if about not in self._warned:
            self._warned.add(about)
            _console.warn(message, stacklevel=2)

    def __getstate__(self):
        # Tuners copy callbacks; a copy must not contain the model or a probe on it.
        return {**self.__dict__, "_probe": None, "_model": None}


class LayerResult(NamedTuple):
    """What was counted in one layer in an epoch.

    Args:
        count: Number of units or outputs that are counted.
        total: Number of all units or outputs.
        row: List of the cells in the report, after layer and activation.
        finding: String, the end of a warning, or `None` if there is nothing to warn of.
    """

    count: float
    total: float
    row: list
    finding: str | None


class OutputMonitor(Monitor):
    """Logs the share of some units or outputs, measured in training or on given data.

    A subclass defines `KEY`, `HEADER`, `NOTHING`, `OTHERS`, `_statistics()`,
    `_is_watched(watched)`, `_summarize` and `_is_notable(row)`.

    Args:
        data: Inputs to measure on, or `None` to measure on the training batches.
        layers: Regular expression or list of them, or `None` for all layers.
        warn_above: Float from 0 to 1, the share above which the monitor warns, or
            `None` for no warnings.
        per_layer: Boolean, whether to log the share of each layer too.
        **kwargs: Arguments of `Monitor`.

    Raises:
        ValueError: If an argument is invalid.
    """

    KEY: str
    HEADER: tuple[str, ...]
    # Sentences: nothing is watched; the layers that `verbose=1` leaves out.
    NOTHING: str
    OTHERS: str

    def __init__(
        self,
        data: ArrayLike | dict[str, Any] | Iterable[Any] | None,
        layers: str | Sequence[str] | None,
        warn_above: float | None,
        per_layer: bool,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.data = None if data is None else check_data(data)
        self.layers = None if layers is None else patterns(layers)
        if warn_above is not None:
            warn_above = number("warn_above", warn_above, 0, 1)
        self.warn_above = warn_above
        self.per_layer = boolean("per_layer", per_layer)
        self._unwatched = ""

    def _reset(self):
        super()._reset()
        self._rows = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reset the monitor, attach the probe, and warn if it watches nothing."""
        self._unwatched = self._unwatched_layers() if self.layers is None else ""
        super().on_train_begin(logs)
        if all(map(self._is_hidden, self._probe.sites)):
            self._warn("nothing", f"{self.NOTHING} {self._unwatched}".rstrip())

    @abc.abstractmethod
    def _statistics(self):
        """Return the statistics to measure, of source `"outputs"`."""

    @abc.abstractmethod
    def _is_watched(self, watched):
        """Return whether to monitor this layer."""

    @abc.abstractmethod
    def _summarize(self, site, watched, *values):
        """Return a `LayerResult`, or None if the layer was not called."""

    @abc.abstractmethod
    def _is_notable(self, row):
        """Return whether to print the row of a layer with `verbose=1`."""

    def _unwatched_layers(self):
        """Return a sentence that names the layers that cannot be watched, or ""."""
        return ""

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
        self._rows, results = [], {}
        for site, watched in self._probe.sites.items():
            if self._is_hidden(site):
                continue
            values = [np.array(found[site]) for found in reading.values.values()]
            found = self._summarize(site, watched, *values)
            if found is None:
                continue
            results[site] = found
            self._rows.append([site, watched.activation, *found.row])
            share = found.count / found.total
            above = self.warn_above is not None and share > self.warn_above
            if found.finding and above:
                self._warn(site, f"Epoch {epoch + 1}: {share:.0%} {found.finding}.")
        logs.update(self._shares(results))

    def _shares(self, results):
        """Return the logs of an epoch: the share of all layers, and of the worst."""
        if not results:
            return {}
        shares = {site: found.count / found.total for site, found in results.items()}
        count = sum(found.count for found in results.values())
        total = sum(found.total for found in results.values())
        logs = {self.KEY: count / total, f"{self.KEY}_max": max(shares.values())}
        if self.per_layer:
            logs |= {f"{self.KEY}/{site}": share for site, share in shares.items()}
        return logs

    @property
    def report(self) -> str:
        """Table of the last epoch of the last `fit`."""
        found = self._table(self._rows) if self._rows else self.NOTHING
        return "\n".join(filter(None, [found, self._unwatched]))

    def _report_to_print(self):
        """Return the report without the layers that need no attention."""
        notable = [row for row in self._rows if self._is_notable(row)]
        others = len(self._rows) - len(notable)
        if not others:
            return self.report
        parts = [self._table(notable)] if notable else []
        word = "layer" if others == 1 else "layers"
        which = f"{others} other {word}" if notable else f"{others} {word}"
        parts.append(f"{which}: {self.OTHERS}")
        return "\n".join(filter(None, [*parts, self._unwatched]))

    def _table(self, rows):
        return table(["layer", "activation", *self.HEADER], rows)


# The state of a monitor

READINGS = "__readings__"


def _saved(value):
    """Return an attribute of the state as plain values and arrays."""
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, list) and value and isinstance(value[0], Reading):
        return {READINGS: state_of_readings(value)}
    return copy_state(value)


def _restored(name, now, saved):
    """Return a saved attribute in the type that it has now."""
    if isinstance(saved, dict) and set(saved) == {READINGS}:
        saved = readings_of(saved[READINGS])
    if isinstance(now, set) and isinstance(saved, list):
        return set(saved)
    numbers = isinstance(now, int | float) and isinstance(saved, int | float)
    if now is not None and not numbers and not isinstance(saved, type(now)):
        fail(f"`{name}` must be a {type(now).__name__}.", **{name: saved})
    if isinstance(now, np.ndarray) and now.shape != saved.shape:
        fail(f"`{name}` must have the shape {now.shape}.", **{name: saved})
    return copy_state(saved) if not isinstance(now, list) else list(saved)


def _rename(value, renamed):
    """Replace names of layers and variables, in keys and in values."""
    if isinstance(value, dict):
        return {renamed.get(n, n): _rename(v, renamed) for n, v in value.items()}
    if isinstance(value, list):
        return [_rename(part, renamed) for part in value]
    return renamed.get(value, value) if isinstance(value, str) else value


def _join(readings, merges):
    """Join readings into one, each statistic by its `merge`."""
    values = {name: dict(found) for name, found in readings[0].values.items()}
    for reading in readings[1:]:
        for name, found in reading.values.items():
            for path, value in found.items():
                values[name][path] = join(merges[name], values[name][path], value, np)
    last = readings[-1]
    return Reading(epoch=last.epoch, step=last.step, values=values)
