"""StoreOracle: keras-tuner's oracle, with the trials of the store."""

import math

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

STATUS = {
    "WAITING": TrialStatus.IDLE,
    "RUNNING": TrialStatus.RUNNING,
    "COMPLETE": TrialStatus.COMPLETED,
    # keras-tuner has no such status. A pruned trial has a score, like a completed one.
    "PRUNED": TrialStatus.COMPLETED,
    "FAIL": TrialStatus.FAILED,
}


class StoreOracle(keras_tuner.Oracle):
    """Returns the trials of a store as keras-tuner's trials, and writes no files.

    Args:
        **kwargs: Arguments of `keras_tuner.Oracle`.
    """

    store = None

    def get_best_trials(self, num_trials=1):
        """Return the best trials that ran in full, best first."""
        done = [t for t in self.store.trials() if _counts(t)]
        sign = -1 if self.objective.direction == "max" else 1
        done.sort(key=lambda t: (sign * t.user_attrs["score"], t.number))
        return [self.trial_of(trial) for trial in done[:num_trials]]

    def get_trial(self, trial_id):
        """Return the trial with this ID."""
        (trial,) = (t for t in self.store.trials() if t.user_attrs["slot"] == trial_id)
        return self.trial_of(trial)

    def remaining_trials(self):
        """Return the number of unfinished trials."""
        return sum(not trial.state.is_finished() for trial in self.store.trials())

    def save(self):
        """Do nothing: the store is always up to date."""

    def reload(self):
        """Do nothing: the store is always up to date."""

    def trial_of(self, frozen):
        """Return a trial of the store as a trial of keras-tuner."""
        facts = frozen.user_attrs
        space = self.get_space()
        space.values = dict(facts.get("values", {}))
        status = STATUS[frozen.state.name]
        trial = Trial(space, facts["slot"], status, facts.get("message") or None)
        trial.score, trial.best_step = facts.get("score"), facts.get("best_epoch") or 0
        for name, curve in (facts.get("curves") or {}).items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, direction=self._direction(name))
            for step, value in enumerate(curve):
                trial.metrics.update(name, value, step=step)
        return trial

    def score_of(self, results):
        """Return score and best epoch from the results of a user's `run_trial`."""
        every = results if isinstance(results, list) else [results]
        scores = [self._best(result) for result in every]
        if any(not math.isfinite(value) for value, _ in scores):
            return None, None
        return sum(value for value, _ in scores) / len(scores), scores[0][1]

    def _best(self, result):
        if isinstance(result, int | float):
            return float(result), 0
        history = getattr(result, "history", None)
        if history is None:
            return float(self.objective.get_value(result)), 0
        steps = [
            dict(zip(history, row, strict=True))
            for row in zip(*history.values(), strict=True)
        ]
        values = [float(self.objective.get_value(step)) for step in steps]
        best = max if self.objective.direction == "max" else min
        value = best(values)
        return value, values.index(value)

    def _direction(self, name):
        if name == self.objective.name:
            return self.objective.direction
        return "max" if "acc" in name or "auc" in name else "min"


def _counts(frozen):
    facts = frozen.user_attrs
    full = frozen.state.name == "COMPLETE" and facts["kind"] != "repeat"
    return full and facts.get("score") is not None
