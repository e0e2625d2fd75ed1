"""Memory use of this process and its device."""

import math
import time

import keras
import keras_tuner
import psutil

from kcomponents import _backends
from kcomponents._backends import devices
from kcomponents.tuning._engine.outcome import Outcome, message_of, reason_of
from kcomponents.tuning._engine.pruning import smoothed
from kcomponents.tuning._storage.identity import versions


def memory():
    """Return peak bytes on the accelerator, or the host memory in use without one."""
    on_device = devices.peak_memory()
    return psutil.Process().memory_info().rss if on_device is None else on_device


# TrialCallback: watches a trial's run, and ends it early.


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


# One trial: build a model, train it, and return the outcome.


class GivenBack(Exception):
    """Raised when this worker leaves a trial to another one."""


class TrialRun:
    """Runs one trial of a search.

    Args:
        search: Search, which builds and trains.
        trial: Frozen trial of the store.
        lease: Lease of the trial.
        stop: Stop of this process.
    """

    def __init__(self, search, trial, lease, stop):
        self.search, self.trial = search, trial
        self.lease, self.stop = lease, stop
        self.known = trial.user_attrs
        self.objective = search.oracle.objective
        self.model, self.watched = None, []
        self._of_store = None

    def run(self, args, kwargs):
        """Return the outcome, or raise `GivenBack`."""
        self.begin = time.monotonic()
        given = self.search.oracle.trial_of(self.trial)
        self.epochs = int(kwargs.get("epochs", 1))
        try:
            results = self.search.run_trial(given, *args, **kwargs)
            outcome = self._outcome(results)
        except (GivenBack, ObjectiveMissing, keras_tuner.errors.FatalError):
            raise
        except Exception as error:
            if error is self._of_store:
                # An error of the store ends the search; the trial is not to blame.
                raise
            reason, message = reason_of(error), message_of(error)
            outcome = Outcome(reason, message, None, self._curves())
        outcome.facts |= {
            "seconds": time.monotonic() - self.begin,
            # Other workers may have other versions.
            "versions": versions(),
            **self._model_facts(),
        }
        return outcome

    def trains(self, model, execution):
        """Keep the model of a run, and return a callback for it."""
        self.model = model
        self.watched.append(self._callback(execution))
        return self.watched[-1]

    def _model_facts(self):
        if self.model is None:
            return {}
        count = self.model.count_params() if self.model.built else None
        return {"parameters": count, "reused": self.search.models.reused}

    def _callback(self, execution):
        settings = self.search.settings
        until = None
        if settings.trial_timeout is not None:
            until = self.begin + settings.trial_timeout
        pruner = None
        if execution == 0:
            pruner = self.search.engine.pruner(self.trial, self.epochs)
        judge = self.search.judge
        judge.set(self.epochs, settings.doctor and self.known["kind"] == "search")

        def report(epochs, value):
            try:
                return self._report(epochs, value, execution, pruner)
            except Exception as error:
                self._of_store = error
                raise

        return TrialCallback(self.objective, report, judge, until, self._ended)

    def _report(self, epochs, value, execution, pruner):
        """Report a value to the store, and return whether to prune the trial."""
        # Of several runs of a trial, only the first is compared with other trials.
        if execution == 0:
            self.search.store.report(self.trial, epochs, value)
        if self.search.shown is not None:
            self.search.shown()
        return pruner is not None and self.search.store.judge(self.trial, pruner)

    def seed(self, execution):
        """Return the seed of one run of the trial."""
        return (self.known["seed"] + execution) % 2**31

    def _ended(self):
        return self.lease.lost.is_set() or self.stop.asked

    def _outcome(self, results):
        """Return the outcome of a trial that ran without an error."""
        if any(watched.given_back for watched in self.watched):
            raise GivenBack
        reason, message = None, ""
        for watched in self.watched:
            if watched.reason is not None:
                reason, message = watched.reason, watched.message
        score, step = self._score(results)
        if score is None and reason is None:
            reason, message = "nan", "The objective was not finite in any epoch."
        return Outcome(reason, message, score, {**self._curves(), "best_epoch": step})

    def _score(self, results):
        """Return the best value, averaged over runs, and the first run's best epoch."""
        seen = [watched for watched in self.watched if watched.values]
        if not seen:
            return self.search.oracle.score_of(results)
        found = [watched.best for watched in seen if watched.best is not None]
        if not found:
            return None, None
        return sum(found) / len(found), seen[0].best_epoch

    def _curves(self):
        """Return the first run's curves, and the epochs and peak memory of all runs."""
        if not self.watched:
            return {"curves": {}, "epochs": 0, "peak_memory": None}
        epochs = sum(len(watched.values) for watched in self.watched)
        peak = max(watched.peak_memory for watched in self.watched)
        curves = self.watched[0].curves
        return {"curves": curves, "epochs": epochs, "peak_memory": peak}
