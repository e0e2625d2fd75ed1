"""Hyperparameters of keras-tuner as distributions of Optuna, and values back."""

import math

from kcomponents.tuning._optional import optuna

LINEAR, LOG, REVERSE_LOG = "linear", "log", "reverse_log"


def distribution_of(hp):
    """Return the distribution of a hyperparameter, or None if there is no choice."""
    kinds, kind = optuna.distributions, type(hp).__name__
    if kind == "Choice":
        return kinds.CategoricalDistribution(hp.values)
    if kind == "Boolean":
        return kinds.CategoricalDistribution((False, True))
    if kind == "Fixed" or hp.min_value == hp.max_value:
        return None
    if hp.sampling != LINEAR and hp.step is not None:
        count = math.log(hp.max_value / hp.min_value, hp.step)
        return kinds.IntDistribution(0, math.floor(count + 1e-8))
    if hp.sampling == REVERSE_LOG:
        return kinds.FloatDistribution(0.0, 1.0)
    low, high, log = hp.min_value, hp.max_value, hp.sampling == LOG
    if hp.step is not None:
        high = low + math.floor((high - low) / hp.step + 1e-8) * hp.step
    if kind == "Int":
        return kinds.IntDistribution(low, high, log=log, step=hp.step or 1)
    return kinds.FloatDistribution(float(low), float(high), log=log, step=hp.step)


def value_of(hp, drawn):
    """Return the value of a hyperparameter by what was drawn for it."""
    if not _is_mapped(hp):
        return drawn
    if hp.step is None:
        return min(hp.prob_to_value(drawn), hp.max_value)
    value = hp.min_value * hp.step**drawn
    if hp.sampling == REVERSE_LOG:
        value = hp.max_value + hp.min_value - value
    return int(value) if type(hp).__name__ == "Int" else value


def drawn_of(hp, value):
    """Return what has to be drawn for this value."""
    if not _is_mapped(hp):
        return value
    if hp.step is None:
        return min(hp.value_to_prob(value), 1.0)
    if hp.sampling == REVERSE_LOG:
        value = hp.max_value + hp.min_value - value
    return round(math.log(value / hp.min_value, hp.step))


def _is_mapped(hp):
    """Tell the scales that Optuna does not have: by factors, or denser at the top."""
    if type(hp).__name__ not in ("Float", "Int"):
        return False
    return hp.sampling == REVERSE_LOG or (hp.sampling == LOG and hp.step is not None)
