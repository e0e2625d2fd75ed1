"""One trial: draw its values, build a model, train and judge it, store the outcome."""

import contextlib
import copy
import functools
import math
import time

import keras
import keras_tuner
import psutil
from keras_tuner.engine.trial import Trial

from kcomponents import _backends
from kcomponents.tuning._engine.data_order import other_order
from kcomponents.tuning._engine.outcome import Outcome, message_of, reason_of
from kcomponents.tuning._engine.trial_doctor import TrialDoctor
from kcomponents.tuning._storage.identity import versions

# Trials are compared by their mean over this many epochs: one bad epoch is no reason
# to prune.
SMOOTHING = 3


class TrialRun:
    """Runs one trial that this process has claimed.

    Args:
        tuner: StoreTuner.
        trial: Frozen trial of the store.
        stop: Stop of this process.
        show_progress: Function without arguments, or `None`.
    """

    def __init__(self, tuner, trial, stop, show_progress=None):
        self.tuner, self.trial, self.stop = tuner, trial, stop
        self.show_progress = show_progress
        self.model, self.callbacks = None, []
        self._store_error = None

    def run(self, args, kwargs):
        """Run the trial and store its outcome, or let another worker run it.

        Args:
            args: Positional arguments of `fit`.
            kwargs: Keyword arguments of `fit`.
        """
        engine = self.tuner.engine
        with engine.lease(self.trial) as self._lease:
            try:
                self.trial = engine.draw_values(self.trial)
                outcome = self._train_and_judge(args, kwargs)
                if outcome is None:
                    engine.release(self.trial)
                    return
                self._save_weights(outcome)
            except BaseException:
                engine.release(self.trial)
                raise
            engine.finish(self.trial, outcome)
            self.tuner.best_weights.delete_others()

    def _train_and_judge(self, args, kwargs):
        """Return the outcome, or None if another worker has to run the trial."""
        self._start = time.monotonic()
        self._epochs = int(kwargs.get("epochs", 1))
        trial = TrialInProgress(self.tuner.oracle.trial_of(self.trial), self._train)
        try:
            # A user's subclass of `Search` may override `run_trial`.
            results = self.tuner.run_trial(trial, *args, **kwargs)
            if any(callback.interrupted for callback in self.callbacks):
                return None
            outcome = self._outcome(results)
        except (ObjectiveMissing, keras_tuner.errors.FatalError):
            raise
        except Exception as error:
            if error is self._store_error:
                # It ends the search; the trial is not to blame.
                raise
            reason, message = reason_of(error), message_of(error)
            outcome = Outcome(reason, message, None, self._measurements())
        outcome.facts |= {
            "seconds": time.monotonic() - self._start,
            # Other workers may have other versions.
            "versions": versions(),
            **self._model_facts(),
        }
        return outcome

    def _train(self, hp, args, kwargs):
        """Build and train `executions_per_trial` models; return what `fit` returns."""
        callbacks, results = kwargs.pop("callbacks", None) or [], []
        for execution in range(self.tuner.executions_per_trial):
            seed = self.trial.user_attrs["seed"] + execution
            keras.utils.set_random_seed(seed % 2**31)
            self.model = self._build(hp)
            callback = self._callback(execution)
            self.callbacks.append(callback)
            # Last, because the user's callbacks may add to the logs.
            each = [*copy.deepcopy(callbacks), callback]
            fit = self.tuner.hypermodel.fit
            with self._data_order(execution, seed):
                results.append(fit(hp, self.model, *args, callbacks=each, **kwargs))
            if callback.reason is not None:
                break
        self.tuner.oracle.update_space(hp)
        return results

    def _data_order(self, execution, seed):
        """Return a context with another order of the data for all but the first run."""
        if execution == 0 and self.trial.user_attrs["kind"] != "repeat":
            return contextlib.nullcontext()
        return other_order(self.model, seed)

    def _build(self, hp):
        """Return a new model, or a compiled one of the same structure."""
        models = self.tuner.models
        model = models.model_for(self.tuner._build_hypermodel, hp)
        self.tuner.recorders.release(models.holds)
        return model

    def _callback(self, execution):
        """Return the callback that watches one run of the trial."""
        settings, engine = self.tuner.settings, self.tuner.engine
        doctor = TrialDoctor(
            self.tuner.recorders,
            self._epochs,
            strict=settings.doctor and self.trial.user_attrs["kind"] == "search",
            keep=self.tuner.models.holds(self.model),
        )
        # Of several runs of a trial, only the first is compared with other trials.
        pruner = engine.pruner(self.trial, self._epochs) if execution == 0 else None
        report = functools.partial(self._report, execution, pruner)
        limit = settings.trial_timeout
        deadline = None if limit is None else self._start + limit
        objective = self.tuner.oracle.objective
        return TrialCallback(objective, doctor, report, deadline, self._must_stop)

    def _report(self, execution, pruner, epochs, value):
        """Report a value to the store, and return whether to prune the trial."""
        store = self.tuner.store
        try:
            if execution == 0:
                store.report(self.trial, epochs, value)
            if self.show_progress is not None:
                self.show_progress()
            return pruner is not None and store.prunes(self.trial, pruner)
        except Exception as error:
            self._store_error = error
            raise

    def _must_stop(self):
        return self._lease.lost.is_set() or self.stop.is_due

    def _outcome(self, results):
        """Return the outcome of a trial that ran without an error."""
        reason, message = None, ""
        for callback in self.callbacks:
            if callback.reason is not None:
                reason, message = callback.reason, callback.message
        score, epoch = self._score(results)
        if score is None and reason is None:
            reason, message = "nan", "The objective was not finite in any epoch."
        facts = {**self._measurements(), "best_epoch": epoch}
        return Outcome(reason, message, score, facts)

    def _score(self, results):
        """Return the best value, averaged over runs, and the first run's best epoch."""
        watched = [callback for callback in self.callbacks if callback.values]
        if not watched:
            return self.tuner.oracle.score_of(results)
        best = [callback.best for callback in watched if callback.best is not None]
        if not best:
            return None, None
        return sum(best) / len(best), watched[0].best_epoch

    def _measurements(self):
        """Return the first run's curves, and the epochs and peak memory of all runs."""
        if not self.callbacks:
            return {"curves": {}, "epochs": 0, "peak_memory": None}
        return {
            "curves": self.callbacks[0].curves,
            "epochs": sum(len(callback.values) for callback in self.callbacks),
            "peak_memory": max(callback.peak_memory for callback in self.callbacks),
        }

    def _model_facts(self):
        if self.model is None:
            return {}
        count = self.model.count_params() if self.model.built else None
        return {"parameters": count, "reused": self.tuner.models.reused}

    def _save_weights(self, outcome):
        """Save the weights of the first run if the trial is among the best."""
        weights = self.callbacks[0].best_weights if self.callbacks else None
        facts, best = self.trial.user_attrs, self.tuner.best_weights
        in_full = outcome.reason is None and facts["kind"] != "repeat"
        if weights is not None and in_full and best.accepts(outcome.score):
            best.save(self.model, weights, facts["slot"])


class TrialInProgress(Trial):
    """The trial that `run_trial` receives: one of keras-tuner that can be trained.

    Args:
        trial: Trial of keras-tuner.
        train: Function of hyperparameters, and positional and keyword arguments of
            `fit`, that trains the trial's models.
    """

    def __init__(self, trial, train):
        super().__init__(trial.hyperparameters, trial.trial_id, trial.status)
        self._train = train

    def train(self, args, kwargs):
        """Train the models of the trial; return a list of what `fit` returns."""
        return self._train(self.hyperparameters, args, kwargs)


class TrialCallback(keras.callbacks.Callback):
    """Keeps the curves and the best weights of a run, and ends a hopeless one.

    Args:
        objective: `keras_tuner.Objective`.
        doctor: TrialDoctor, which may return a reason and a message to end the run.
        report: Function of the number of epochs and a smoothed objective that returns
            whether to prune the trial.
        deadline: Float or None, the value of `time.monotonic` at the time limit.
        must_stop: Function that returns whether to leave the trial to another worker.
    """

    def __init__(self, objective, doctor, report, deadline, must_stop):
        super().__init__()
        self.objective, self.doctor, self.report = objective, doctor, report
        self.deadline, self.must_stop = deadline, must_stop
        self.curves, self.values = {}, []
        self.best = self.best_epoch = self.best_weights = None
        self.reason, self.message, self.interrupted = None, "", False
        self.peak_memory = 0

    def on_train_begin(self, logs=None):
        """Give the doctor the model and its data."""
        self.doctor.start(self.model)

    def on_epoch_end(self, epoch, logs=None):
        """Keep the logs of an epoch, and end the run if there is a reason."""
        logs = {name: _number(value) for name, value in (logs or {}).items()}
        for name, value in logs.items():
            self.curves.setdefault(name, []).append(value)
        self.peak_memory = max(self.peak_memory, memory_in_use())
        value = self._objective_value(logs)
        self.values.append(value)
        self._keep_best(value, epoch)
        reason = self.doctor.reason(epoch, logs)
        pruned = self.report(len(self.values), smoothed(self.values))
        if reason is not None:
            self._end(*reason)
        elif pruned:
            self._end(
                "pruned", f"Other trials were better after {len(self.values)} epochs."
            )
        elif self.deadline is not None and time.monotonic() > self.deadline:
            self._end(
                "timeout",
                f"It reached the time limit (`trial_timeout`) in epoch {epoch + 1}.",
            )
        if self.must_stop():
            self.interrupted = self.model.stop_training = True

    def _objective_value(self, logs):
        if not self.objective.has_value(logs):
            raise ObjectiveMissing(self.objective, logs)
        return float(self.objective.get_value(logs))

    def _keep_best(self, value, epoch):
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


def smoothed(curve):
    """Return the mean over the last epochs of a curve."""
    last = curve[-SMOOTHING:]
    return sum(last) / len(last)


def memory_in_use():
    """Return peak bytes on the accelerator, or the host memory in use without one."""
    on_device = _backends.peak_memory()
    return psutil.Process().memory_info().rss if on_device is None else on_device


def _number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
