"""TrialCallback: watches a trial's run, and ends it early."""

import math
import time

import keras

from kcomponents import _backends
from kcomponents.tuning._engine.pruning import smoothed
from kcomponents.tuning._trial.memory import memory


class TrialCallback(keras.callbacks.Callback):
    """Keeps the curves and the best weights of a trial, and ends a hopeless one.

    Args:
        objective: `keras_tuner.Objective`.
        report: Function of epochs and a smoothed objective, returns whether to prune.
        judge: Judge, which may return a reason and a message to end the run.
        until: Float or None, the value of `time.monotonic` at the time limit.
        ended: Function that returns whether to leave the trial to another worker.
    """

    def __init__(self, objective, report, judge, until, ended):
        super().__init__()
        self.objective, self.report, self.judge = objective, report, judge
        self.until, self.ended = until, ended
        self.curves, self.values = {}, []
        self.best = self.best_epoch = self.best_weights = None
        self.reason, self.message, self.given_back = None, "", False
        self.peak_memory = 0

    def on_train_begin(self, logs=None):
        """Give the judge the model and its data."""
        self.judge.begin(self.model)

    def on_epoch_end(self, epoch, logs=None):
        """Keep the logs of an epoch, and end the run if there is a reason."""
        logs = {name: _number(value) for name, value in (logs or {}).items()}
        for name, value in logs.items():
            self.curves.setdefault(name, []).append(value)
        self.peak_memory = max(self.peak_memory, memory())
        value = self._value(logs)
        self.values.append(value)
        self._keep(value, epoch)
        reason = self.judge.reason(epoch, logs)
        pruned = self.report(len(self.values), smoothed(self.values))
        if reason is not None:
            self._end(*reason)
        elif pruned:
            self._end(
                "pruned", f"Other trials were better after {len(self.values)} epochs."
            )
        elif self.until is not None and time.monotonic() > self.until:
            self._end(
                "timeout",
                f"It reached the time limit (`trial_timeout`) in epoch {epoch + 1}.",
            )
        if self.ended():
            self.given_back = self.model.stop_training = True

    def _value(self, logs):
        if not self.objective.has_value(logs):
            raise ObjectiveMissing(self.objective, logs)
        return float(self.objective.get_value(logs))

    def _keep(self, value, epoch):
        if not math.isfinite(value):
            return
        if self.best is None or self.objective.better_than(value, self.best):
            self.best, self.best_epoch = value, epoch
            self.best_weights = _backends.snapshot(self.model.weights)

    def _end(self, reason, message):
        self.reason, self.message = reason, message
        self.model.stop_training = True


class ObjectiveMissing(ValueError):
    """Raised after the first epoch when the objective is not among the logs."""

    def __init__(self, objective, logs):
        names = ", ".join(sorted(logs))
        rule = "`objective` must be among the metrics that `fit` logs"
        hint = "An objective `val_...` needs `validation_data`."
        shown = getattr(objective, "name_to_direction", objective.name)
        super().__init__(f"{rule}: {names}. {hint} Received: objective={shown!r}")


def _number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
