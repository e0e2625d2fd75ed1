"""Scores of early stopping: what is monitored, its direction and its best value."""

import copy
import math

import keras
import numpy as np

from kcomponents import _keras
from kcomponents._checks import fail, number, one_of
from kcomponents.callbacks.stop_criteria import Check, Patience, StopCriterion

MODES = ("auto", "min", "max")


class Score:
    """A value in the logs, or a function of the logs, that should improve.

    Args:
        monitor: Name in the logs, or a function of the logs.
        mode: `"min"`, `"max"` or `"auto"`.
        min_delta: Float, the smallest improvement that counts as one.
        relative: Whether `min_delta` is a fraction of the best value.
        baseline: Float or `None`; patience restarts only if a value is better than it.
        criterion: `StopCriterion` that no other score uses.
    """

    def __init__(self, monitor, mode, min_delta, relative, baseline, criterion):
        self.monitor, self.requested_mode, self.mode = monitor, mode, None
        self.min_delta, self.relative = min_delta, relative
        self.baseline, self.criterion = baseline, criterion
        self.best = None

    @property
    def name(self):
        """The name in the logs, or the name of the function."""
        return getattr(self.monitor, "__name__", None) or str(self.monitor)

    @property
    def of_validation(self):
        """Whether the value may come from validation."""
        return not isinstance(self.monitor, str) or self.name.startswith("val_")

    def get_state(self):
        """Return the best value and the state of the criterion, as a list."""
        return [self.best, self.criterion.get_state()]

    def set_state(self, state):
        """Restore what `get_state` returned."""
        self.best, counts = state
        fresh = copy.deepcopy(self.criterion)
        fresh.start(self.mode)
        now = fresh.get_state()
        if not _fits(self.best, None) or not all(_fits(counts[n], now[n]) for n in now):
            fail("A score must be numbers, as it was saved.", score=state)
        self.criterion.set_state(counts)

    def start(self, model):
        """Reset the score; raise if its direction can't be inferred."""
        self.best, self.mode = None, None
        auto = self.requested_mode == "auto"
        mode = check_direction(model, self.monitor) if auto else self.requested_mode
        self.mode = mode
        self.criterion.start(mode)

    def value(self, logs):
        """Return the value in the logs as a float, or None if it is missing."""
        if isinstance(self.monitor, str):
            value = logs.get(self.monitor)
        else:
            value = self.monitor(logs)
        return _number(self.name, value)

    def is_better(self, value, than):
        """Return whether a value is better than another by more than `min_delta`."""
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
        """Record a value; return whether it is the new best, and whether to stop."""
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


def _fits(saved, now):
    """Return whether a saved value can take the place of one in a fresh score."""
    if now is None or (isinstance(now, int | float) and not isinstance(now, bool)):
        is_number = isinstance(saved, int | float) and not isinstance(saved, bool)
        return is_number or saved is now is None
    if isinstance(now, list):
        return isinstance(saved, list) and all(_fits(part, 0) for part in saved)
    # A value of a criterion from elsewhere.
    return True


def _number(name, value):
    """Return a value of the logs as a float; some metrics are vectors of length 1."""
    if value is None:
        return None
    value = np.asarray(keras.ops.convert_to_numpy(value))
    if value.size != 1:
        fail("`monitor` must be a single number in the logs.", **{name: value})
    return float(value.item())


def scores_of(monitor, mode, min_delta, delta_mode, baseline, patience, criterion):
    """Return a score for each monitor; raise if an argument is invalid."""
    monitors = list(monitor) if isinstance(monitor, list | tuple) else [monitor]
    if not monitors or not all(isinstance(m, str) or callable(m) for m in monitors):
        rule = "`monitor` must be a name, a function of the logs, or a list of these."
        fail(rule, monitor=monitor)
    modes = list(mode) if isinstance(mode, list | tuple) else [mode] * len(monitors)
    if len(modes) != len(monitors):
        fail("`mode` must be one mode, or a list of one for each monitor.", mode=mode)
    for monitor, mode in zip(monitors, modes, strict=True):
        if one_of("mode", mode, MODES) == "auto" and not isinstance(monitor, str):
            rule = "If `monitor` is a function, `mode` must be 'min' or 'max'."
            fail(rule, monitor=monitor)
    criterion = _criterion(patience, criterion, baseline)
    min_delta = abs(number("min_delta", min_delta))
    relative = one_of("min_delta_mode", delta_mode, ("abs", "rel")) == "rel"
    baseline = None if baseline is None else number("baseline", baseline)
    shared = min_delta, relative, baseline
    # Each score needs its own criterion, because a criterion counts checks.
    return [
        Score(m, mode, *shared, copy.deepcopy(criterion))
        for m, mode in zip(monitors, modes, strict=True)
    ]


def best_first(scores, name):
    """Return the scores, starting with the one that defines the best epoch."""
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
        fail("Pass either `patience` or `criterion`, not both.", patience=patience)
    if baseline is not None and not isinstance(criterion, Patience):
        fail("`baseline` works only with patience.", baseline=baseline)
    return criterion


def direction_of(model, monitor):
    """Return `"min"` or `"max"`, or None if the direction is unknown.

    It is looked up in the built metrics and, before the first batch, in the metrics
    passed to `compile`. A `val_` prefix and the name of an output are ignored.
    """
    name = monitor.removeprefix("val_")
    if name == "loss" or name.endswith("_loss"):
        return "min"
    outputs = getattr(model, "output_names", None) or []
    names = [name, *(name.removeprefix(f"{output}_") for output in outputs)]
    for metric_name, direction in _directions(model):
        if metric_name in names and direction:
            return {"up": "max", "down": "min"}[direction]
    return None


def check_direction(model, monitor):
    """Return the direction; raise if it is unknown."""
    direction = direction_of(model, monitor)
    if direction is None:
        fail(
            "Can't infer whether lower or higher is better for this metric. Pass "
            "`mode='min'` or `mode='max'`.",
            monitor=monitor,
        )
    return direction


def _directions(model):
    """Yield the name and direction of each metric, built or passed to `compile`."""
    for metric in _keras.built_metrics(model):
        yield metric.name, _keras.metric_direction(metric)
    for metric in keras.tree.flatten(_keras.metric_arguments(model)):
        if isinstance(metric, str) and metric.lower() in ("accuracy", "acc"):
            yield metric, "up"
        elif isinstance(metric, str) and metric.lower() in ("crossentropy", "ce"):
            yield metric, "down"
        elif metric is not None:
            try:
                built = keras.metrics.get(metric)
            except (ValueError, TypeError):
                continue
            name = metric if isinstance(metric, str) else getattr(built, "name", None)
            yield name, _keras.metric_direction(built)
