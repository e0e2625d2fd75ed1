"""One trial: build a model, train it, and return the outcome."""

import time

import keras_tuner

from kcomponents.tuning._keeping.versions import versions
from kcomponents.tuning._trial.callback import ObjectiveMissing, TrialCallback
from kcomponents.tuning._trial.failures import message_of, reason_of
from kcomponents.tuning._trial.outcome import Outcome


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
