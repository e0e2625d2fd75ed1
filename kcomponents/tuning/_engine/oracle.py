"""The oracle of keras-tuner as a face of the store."""

import math

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

STATUS = {
    "WAITING": TrialStatus.IDLE,
    "RUNNING": TrialStatus.RUNNING,
    "COMPLETE": TrialStatus.COMPLETED,
    # keras-tuner has no word for it; such a trial has a score, and was not run in full.
    "PRUNED": TrialStatus.COMPLETED,
    "FAIL": TrialStatus.FAILED,
}


class StoreOracle(keras_tuner.Oracle):
    """Shows the trials of a store as keras-tuner's, and writes no file.

    Args:
        **kwargs: Arguments of `keras_tuner.Oracle`.
    """

    store = None

    def get_best_trials(self, num_trials=1):
        """Return the best trials that were run in full, the best one first."""
        done = [t for t in self.store.trials() if _counts(t)]
        sign = -1 if self.objective.direction == "max" else 1
        done.sort(key=lambda t: (sign * t.user_attrs["score"], t.number))
        return [self.trial_of(trial) for trial in done[:num_trials]]

    def get_trial(self, trial_id):
        """Return the trial of a slot."""
        (found,) = (t for t in self.store.trials() if t.user_attrs["slot"] == trial_id)
        return self.trial_of(found)

    def remaining_trials(self):
        """Return how many trials have not ended."""
        return sum(not trial.state.is_finished() for trial in self.store.trials())

    def save(self):
        """Do nothing: what is known is in the store."""

    def reload(self):
        """Do nothing: what is known is in the store."""

    def trial_of(self, frozen):
        """Return a trial of the store as one of keras-tuner."""
        known = frozen.user_attrs
        space = self.get_space()
        space.values = dict(known.get("values", {}))
        status = STATUS[frozen.state.name]
        trial = Trial(space, known["slot"], status, known.get("message") or None)
        trial.score, trial.best_step = known.get("score"), known.get("best_epoch") or 0
        for name, curve in (known.get("curves") or {}).items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, direction=self._direction(name))
            for step, value in enumerate(curve):
                trial.metrics.update(name, value, step=step)
        return trial

    def score_of(self, results):
        """Return score and epoch by what a `run_trial` or `fit` of the user gave."""
        every = results if isinstance(results, list) else [results]
        found = [self._best(result) for result in every]
        if any(not math.isfinite(value) for value, _ in found):
            return None, None
        return sum(value for value, _ in found) / len(found), found[0][1]

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
    known = frozen.user_attrs
    full = frozen.state.name == "COMPLETE" and known["kind"] != "repeat"
    return full and known.get("score") is not None
