"""Examiner: what `TrainingDoctor` does, for the parts below the callbacks too."""

import logging
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kcomponents import _keras
from kcomponents._checks import fail, positive_int
from kcomponents._examination.observer import Observer
from kcomponents._examination.record_state import restore_record, state_of_record
from kcomponents._files import Path, optional_path
from kcomponents._json_values import count
from kcomponents._keras.fit_guard import guard_fit
from kcomponents._recording.recorder import Recorder
from kcomponents.doctor import LABELS, RULES, VERDICTS, Diagnosis, Finding, examine
from kcomponents.record import Record

logger = logging.getLogger("kcomponents")

# The attributes, without the underscore, that are part of the saved state.
COUNTS = ("epochs", "next", "tap_next", "last_epoch", "last_reading")


class Examiner(Observer):
    """Records a run, and diagnoses the record.

    `kcomponents.callbacks.TrainingDoctor` documents it and its arguments.

    Attributes:
        record: `kcomponents.record.Record` of the run.
    """

    def __init__(
        self,
        data: tuple[Any, Any] | None = None,
        *,
        every: int | str = "epoch",
        record_path: Path | None = None,
        stop_on: str | Sequence[str] = (),
        rules: Sequence[str | Callable[[Any], list[Finding]]] | None = None,
    ):
        super().__init__()
        if data is not None and (not isinstance(data, tuple | list) or len(data) != 2):
            fail("`data` must be a pair (x, y) of inputs and targets.", data=data)
        self.data = data
        self._spaced = isinstance(every, str) and every == "epoch"
        self.every = 1 if self._spaced else positive_int("every", every)
        self.record_path = optional_path("record_path", record_path)
        self.rules = RULES if rules is None else tuple(rules)
        examine(Record(), self.rules)  # Raises for unknown names.
        self.stop_on = _check_stop_on(stop_on, self.rules)
        self.record = Record()
        self._model_reference = self._recorder = self._guard = None
        self._epochs = self._next = self._tap_next = 0
        self._last_epoch = self._last_reading = self._last_warning = None
        self._cached_diagnosis = None

    @property
    def diagnosis(self) -> Diagnosis:
        """The `kcomponents.doctor.Diagnosis` of the record so far."""
        record = self.record
        size = len(record.readings), len(record.logs), id(record.structure)
        if self._cached_diagnosis is None or self._cached_diagnosis[0] != size:
            self._cached_diagnosis = size, examine(self.record, self.rules)
        return self._cached_diagnosis[1]

    @staticmethod
    def examine_now(model: keras.Model, x: Any, y: Any = None) -> Diagnosis:
        """Diagnose a compiled model and its data without training.

        Args:
            model: Keras model, compiled with a loss.
            x: Inputs, arrays as `fit` takes them.
            y: Targets, arrays as `fit` takes them. Defaults to `None`.

        Returns:
            `kcomponents.doctor.Diagnosis`.

        Raises:
            ValueError: If the model is not compiled with a loss, or `x` and `y` do not
                fit it.
        """
        if not getattr(model, "compiled", False) or model.loss is None:
            fail("`model` must be compiled with a loss.", model=model.name)
        record = Record()
        recorder = Recorder(model, record, (x, y), strict=True)
        recorder.start({}, tapped=False)
        return examine(record)

    def get_state(self) -> dict[str, Any]:
        """Return what was recorded so far, as a dict of plain values and arrays."""
        recorder = self._recorder
        return {
            **{name: getattr(self, f"_{name}") for name in COUNTS},
            "record": state_of_record(self.record),
            "recorder": None if recorder is None else recorder.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that `get_state` returned, during training.

        Args:
            state: Dict that `get_state` returned.

        Raises:
            ValueError: If the state is of another model.
        """
        if self._recorder is not None and state["recorder"] is not None:
            self._recorder.set_state(state["recorder"])
        for name in COUNTS:
            if state[name] is None and name.startswith("last"):
                setattr(self, f"_{name}", None)
            else:
                setattr(self, f"_{name}", count(name, state[name]))
        restore_record(self.record, state["record"])
        self._cached_diagnosis = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Record model, settings and data, and start to measure."""
        before = self._continue_or_start()
        self._recorder = Recorder(
            self.model,
            self.record,
            self.data,
            self._epochs,
            before_first_step=self._before_first_step,
            strict=self.data is not None,
        )
        if (guard := guard_fit(self.model)) is not None:
            self._guard = weakref.ref(guard)
            guard.at_end(self._interrupt)
        self._last_epoch, known = None, _keras.running_fit()
        epochs = known.get("epochs", 2) - known.get("initial_epoch", 0)
        # Each measured `fit` compiles its step again, so measure ever fewer calls in a
        # loop of `fit` calls.
        tapped = epochs > 1 or self._epochs >= self._tap_next
        if tapped:
            self._tap_next = 2 * self._epochs + 1
        self._recorder.start(known, tapped, before)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Prepare to measure steps, if the first of them is in this epoch."""
        self._recorder.begin_epoch()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the logs, and the measurements if a reading is due."""
        self._recorder.end_epoch()
        self._last_epoch = self._epochs
        self.record.add_logs(self._epochs, _numbers_in(logs))
        self._epochs += 1
        if self._epochs > self._next:
            self._take_reading()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take a last reading, stop measuring, and log the findings."""
        if self._last_epoch is not None and self._last_reading != self._last_epoch:
            self._take_reading()
        self._recorder.finish()
        self._recorder.stop()
        self._warn()

    def _stop_observing(self):
        if self._recorder is not None:
            self._recorder.stop()

    def _interrupt(self):
        """Note the exception that ends `fit`, and log its cause."""
        guard, recorder = self._guard(), self._recorder
        error = None if guard is None else guard.error
        if recorder is None:
            return
        recorder.await_outputs()
        if isinstance(error, Exception):
            recorder.stop(error)
            self._cached_diagnosis = None
            self._warn()

    def _before_first_step(self):
        # Contradictions are logged now, because the first step may fail.
        if self.diagnosis.verdict == "inconsistent":
            self._warn()
        self._maybe_stop()

    def _warn(self):
        diagnosis = self.diagnosis
        if diagnosis.findings and self._last_warning != diagnosis.sentence:
            self._last_warning = diagnosis.sentence
            logger.warning("%s", diagnosis.sentence)

    def _take_reading(self):
        self._last_reading = self._epochs - 1
        self._recorder.record_epoch(self._last_reading)
        gap = self._epochs // 10 if self._spaced and self._epochs > 20 else 0
        self._next = self._epochs + max(gap, self.every) - 1
        self._maybe_stop()

    def _maybe_stop(self):
        if not self.stop_on:
            return
        diagnosis = self.diagnosis
        labels = {finding.label for finding in diagnosis.findings}
        if self.stop_on & {diagnosis.verdict, *labels}:
            self.model.stop_training = True

    def _continue_or_start(self):
        """Return the last recorder of this model, or start a new record."""
        if self._model_reference is not None and self._model_reference() is self.model:
            return self._recorder
        self.record = Record(path=self.record_path)
        self._model_reference = weakref.ref(self.model)
        self._epochs = self._next = self._tap_next = 0
        self._last_reading = self._last_warning = None
        return None

    def __getstate__(self):
        # Tuners copy callbacks; a copy must not contain the model or a probe on it.
        names = "_model", "_model_reference", "_recorder", "_cached_diagnosis"
        names = *names, "_guard"
        return {**self.__dict__, **dict.fromkeys(names)}


def _check_stop_on(stop_on, rules):
    """Return `stop_on` as a set; raise if it contains an unknown label or verdict."""
    labels = {stop_on} if isinstance(stop_on, str) else set(stop_on)
    # The labels of custom rules are unknown until they return findings.
    custom = any(callable(rule) and rule not in RULES for rule in rules)
    if not custom and (unknown := labels - set(LABELS) - set(VERDICTS)):
        rule = "`stop_on` must contain only these verdicts and labels"
        unknown = sorted(unknown, key=str)
        fail(f"{rule}: {', '.join([*VERDICTS, *LABELS])}.", stop_on=unknown)
    return labels


def _numbers_in(logs):
    """Return the entries of logs that are numbers, as Python floats."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            continue
    return found
