"""Convert hyperparameters of keras-tuner to distributions of Optuna, and back."""

import math

from kcomponents.tuning._optional import optuna

LINEAR, LOG, REVERSE_LOG = "linear", "log", "reverse_log"


def distribution_of(hp):
    """Return the distribution of a hyperparameter, or None if it is fixed."""
    kinds, kind = optuna.distributions, type(hp).__name__
    if kind == "Choice":
        return kinds.CategoricalDistribution(hp.values)
    if kind == "Boolean":
        return kinds.CategoricalDistribution((False, True))
    if kind == "Fixed" or hp.min_value == hp.max_value:
        return None
    if _is_counted(hp):
        return kinds.IntDistribution(0, _steps(hp))
    if hp.sampling == REVERSE_LOG:
        return kinds.FloatDistribution(0.0, 1.0)
    low, high, log = hp.min_value, hp.max_value, hp.sampling == LOG
    if kind == "Float":
        return kinds.FloatDistribution(float(low), float(high), log=log)
    step = 1 if log else hp.step
    high = low + (high - low) // step * step
    return kinds.IntDistribution(low, high, log=log, step=step)


def value_of(hp, drawn):
    """Return the value of a hyperparameter for a number that was drawn."""
    if not _is_mapped(hp):
        return drawn
    if not _is_counted(hp):
        return min(hp.prob_to_value(drawn), hp.max_value)
    if hp.sampling == LINEAR:
        return hp.min_value + drawn * hp.step
    value = hp.min_value * hp.step**drawn
    if hp.sampling == REVERSE_LOG:
        value = hp.max_value + hp.min_value - value
    return int(value) if type(hp).__name__ == "Int" else value


def drawn_of(hp, value):
    """Return the number that must be drawn for this value."""
    if not _is_mapped(hp):
        return value
    if not _is_counted(hp):
        return min(hp.value_to_prob(value), 1.0)
    if hp.sampling == LINEAR:
        return round((value - hp.min_value) / hp.step)
    if hp.sampling == REVERSE_LOG:
        value = hp.max_value + hp.min_value - value
    return round(math.log(value / hp.min_value, hp.step))


def _is_mapped(hp):
    """Return whether a position on the scale is drawn: Optuna lacks the scale."""
    if type(hp).__name__ not in ("Float", "Int"):
        return False
    return hp.sampling == REVERSE_LOG or _is_counted(hp)


def _is_counted(hp):
    """Return whether the index of a step is drawn, to get exact values."""
    whole = type(hp).__name__ == "Int" and hp.sampling == LINEAR
    return hp.step is not None and not whole


def _steps(hp):
    """Return the number of steps from the lowest value to the highest."""
    if hp.sampling == LINEAR:
        count = (hp.max_value - hp.min_value) / hp.step
    else:
        count = math.log(hp.max_value / hp.min_value, hp.step)
    return math.floor(count + 1e-8)
