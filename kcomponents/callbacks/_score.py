"""Score: one monitored quantity, its best value so far, and when to stop for it."""

import copy
import math

import keras
import numpy as np

from kcomponents._check import fail, number, one_of
from kcomponents.callbacks._direction import check_direction
from kcomponents.callbacks._stop_criterion import Check, Patience, StopCriterion

MODES = ("auto", "min", "max")


class Score:
    """A value of the logs, or a function of them, that should become better.

    Args:
        monitor: Name in the logs, or function of them.
        mode: `"min"`, `"max"` or `"auto"`.
        min_delta: Number, by how much a value must be better.
        relative: Whether `min_delta` is a share of the best value.
        baseline: Optional number, which must be beaten for a new count.
        criterion: `StopCriterion` of its own.
    """

    def __init__(self, monitor, mode, min_delta, relative, baseline, criterion):
        self.monitor, self.given_mode, self.mode = monitor, mode, None
        self.min_delta, self.relative = min_delta, relative
        self.baseline, self.criterion = baseline, criterion
        self.best = None

    @property
    def name(self):
        """The name in the logs, or that of the function."""
        return getattr(self.monitor, "__name__", None) or str(self.monitor)

    def start(self, model):
        """Forget what was seen, and find out the direction, or refuse it."""
        self.best, self.mode = None, None
        if self.given_mode != "auto":
            self._begin(self.given_mode)
        else:
            self._begin(check_direction(model, self.monitor))

    def _begin(self, mode):
        self.mode = mode
        self.criterion.start(mode)

    def value(self, logs):
        """Return the value in the logs as a float, None if there is none."""
        if isinstance(self.monitor, str):
            found = logs.get(self.monitor)
        else:
            found = self.monitor(logs)
        return _number(self.name, found)

    def is_better(self, value, than):
        """Return whether a value is better than another one by more than the delta."""
        if than is None:
            return math.isfinite(value)
        if not math.isfinite(value):
            return False
        delta = self.min_delta * abs(than) if self.relative else self.min_delta
        kind = np.dtype(keras.config.floatx()).type
        if self.mode == "min":
            return bool(kind(value + delta) < kind(than))
        return bool(kind(value - delta) > kind(than))

    def is_beyond(self, value, limit):
        """Return whether a value is better than a limit."""
        return value < limit if self.mode == "min" else value > limit

    def update(self, value, logs):
        """Take note of a value: is it a new best, and is it time to stop?"""
        improved = self.is_better(value, self.best)
        resets = improved
        if improved:
            self.best = value
            if self.baseline is not None:
                resets = self.is_better(value, self.baseline)
        worst = math.inf if self.mode == "min" else -math.inf
        score = value if math.isfinite(value) else worst
        check = Check(score, self._loss(logs), improved, resets)
        return improved, self.criterion.update(check)

    def _loss(self, logs):
        name = self.monitor if isinstance(self.monitor, str) else "loss"
        name = name.removeprefix("val_")
        return _number(name, logs.get(name))


def _number(name, found):
    """Return what the logs hold as a float; some metrics of one number are a vector."""
    if found is None:
        return None
    found = np.asarray(keras.ops.convert_to_numpy(found))
    if found.size != 1:
        fail("`monitor` must be one number.", **{name: found})
    return float(found.item())


def scores_of(monitor, mode, min_delta, delta_mode, baseline, patience, criterion):
    """Return a score for each monitor, or refuse what cannot be."""
    monitors = list(monitor) if isinstance(monitor, list | tuple) else [monitor]
    if not monitors or not all(isinstance(m, str) or callable(m) for m in monitors):
        rule = "`monitor` must be a name in the logs, a function of them, or a list."
        fail(rule, monitor=monitor)
    modes = list(mode) if isinstance(mode, list | tuple) else [mode] * len(monitors)
    if len(modes) != len(monitors):
        fail("`mode` must be one, or one for each monitor.", mode=mode)
    for monitor, mode in zip(monitors, modes, strict=True):
        if one_of("mode", mode, MODES) == "auto" and not isinstance(monitor, str):
            fail("Of a function, `mode` must be 'min' or 'max'.", monitor=monitor)
    criterion = _criterion(patience, criterion, baseline)
    min_delta = abs(number("min_delta", min_delta))
    relative = one_of("min_delta_mode", delta_mode, ("abs", "rel")) == "rel"
    baseline = None if baseline is None else number("baseline", baseline)
    shared = min_delta, relative, baseline
    # Each counts for itself.
    return [
        Score(m, mode, *shared, copy.deepcopy(criterion))
        for m, mode in zip(monitors, modes, strict=True)
    ]


def best_first(scores, name):
    """Return the scores with the one that decides what is best in front."""
    if name is None:
        return scores
    one_of("best_monitor", name, [score.name for score in scores])
    return sorted(scores, key=lambda score: score.name != name)


def _criterion(patience, criterion, baseline):
    if criterion is None:
        return Patience(patience)
    if not isinstance(criterion, StopCriterion):
        rule = "`criterion` must be a `StopCriterion`, such as `Patience(3)`."
        fail(rule, criterion=criterion)
    if patience:
        fail("Give `patience` or a `criterion`, not both.", patience=patience)
    if baseline is not None and not isinstance(criterion, Patience):
        fail("Only patience counts from a `baseline` on.", baseline=baseline)
    return criterion
