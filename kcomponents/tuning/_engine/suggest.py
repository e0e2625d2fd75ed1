"""Optuna's part of a search: suggest hyperparameters, and make samplers and pruners."""

import importlib.util
import math
import warnings

import keras_tuner
import optuna

from kcomponents._checks import fail, one_of
from kcomponents.tuning._storage.backend import quiet

SAMPLERS = ("tpe", "random", "gp", "grid")
PRUNERS = ("asha", "median", "none")
# Optuna needs them for Gaussian processes.
GP_MODULES = ("scipy.optimize", "torch.linalg")
# The most attempts to suggest values that have not been tried yet.
ATTEMPTS = 20
LINEAR, LOG, REVERSE_LOG = "linear", "log", "reverse_log"


def suggest(space, history, sampler, direction, seed):
    """Return the hyperparameters of the next trial, as a dict.

    Args:
        space: `keras_tuner.HyperParameters`.
        history: List of Optuna's frozen trials.
        sampler: String, or a sampler of Optuna, which has its own random state.
        direction: String, `"maximize"` or `"minimize"`.
        seed: Integer, a different one for each trial; a resumed search then suggests
            the same values as an uninterrupted one.
    """
    with quiet():
        study = optuna.create_study(
            sampler=_make_sampler(sampler, seed), direction=direction
        )
        study.add_trials(history)
        tried = {_key(trial.user_attrs["values"]) for trial in history}
        for _ in range(ATTEMPTS):
            trial = study.ask()
            values = _sample(space, trial)
            if _key(values) not in tried:
                break
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return values


def values_by(space, choose):
    """Return values of the active hyperparameters, each from `choose(hp)`."""
    chosen = keras_tuner.HyperParameters()
    # In order: conditions need the values of their parents.
    for hp in space.space:
        chosen.merge([hp])
        if chosen.is_active(hp):
            chosen.values[hp.name] = choose(hp)
        else:
            chosen.values.pop(hp.name, None)
    return chosen.values


def _sample(space, trial):
    """Return values of the active hyperparameters from Optuna's sampler."""

    def choose(hp):
        distribution = distribution_of(hp)
        if distribution is None:
            return hp.default
        return from_optuna(hp, _sample_one(trial, hp.name, distribution))

    return values_by(space, choose)


def _sample_one(trial, name, distribution):
    kinds = optuna.distributions
    if isinstance(distribution, kinds.CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    method = trial.suggest_float
    if isinstance(distribution, kinds.IntDistribution):
        method = trial.suggest_int
    scale = {"log": True} if distribution.log else {"step": distribution.step}
    return method(name, distribution.low, distribution.high, **scale)


def _key(values):
    return frozenset(values.items())


# Samplers and pruners


def check_sampler(sampler):
    """Return a sampler's name or a sampler of Optuna; raise for anything else."""
    if isinstance(sampler, optuna.samplers.BaseSampler):
        return sampler
    one_of("sampler", sampler, SAMPLERS)
    if sampler == "gp":
        packages = [name.split(".")[0] for name in GP_MODULES]
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        if missing:
            rule = f"Gaussian processes need {' and '.join(missing)}."
            fail(f"{rule} Install it, or use 'tpe'.", sampler="gp")
    return sampler


def _make_sampler(sampler, seed):
    if not isinstance(sampler, str):
        return sampler
    with warnings.catch_warnings():
        # Optuna warns of arguments that are still experimental.
        warnings.simplefilter("ignore")
        if sampler == "tpe":
            return optuna.samplers.TPESampler(
                multivariate=True, group=True, constant_liar=True, seed=seed
            )
        if sampler == "gp":
            return optuna.samplers.GPSampler(seed=seed)
        return optuna.samplers.RandomSampler(seed=seed)


def check_pruner(pruner):
    """Return a pruner's name or a pruner of Optuna; raise for anything else."""
    if pruner is None:
        return "none"
    if isinstance(pruner, optuna.pruners.BasePruner):
        return pruner
    return one_of("pruner", pruner, PRUNERS)


def make_pruner(pruner, epochs):
    """Return a pruner of Optuna, or None.

    Trials that learn slowly at first, for example with dropout or a small learning
    rate, may win in the end: the first check is after 1/9 of the epochs, but not before
    the second epoch.
    """
    first = max(2, epochs // 9)
    if pruner == "none":
        return None
    if pruner == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=first, reduction_factor=3
        )
    if pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)
    return pruner


# Hyperparameters of keras-tuner as distributions of Optuna, and back


def optuna_parameters(space, values):
    """Return `{name: (number, distribution)}` for Optuna."""
    parameters = {}
    for hp in space.space:
        distribution = distribution_of(hp)
        if hp.name in values and distribution is not None:
            parameters[hp.name] = to_optuna(hp, values[hp.name]), distribution
    return parameters


def distribution_of(hp):
    """Return the distribution of a hyperparameter, or None if it is fixed."""
    kinds, kind = optuna.distributions, type(hp).__name__
    if kind == "Choice":
        return kinds.CategoricalDistribution(hp.values)
    if kind == "Boolean":
        return kinds.CategoricalDistribution((False, True))
    if kind == "Fixed" or hp.min_value == hp.max_value:
        return None
    if _has_step_index(hp):
        return kinds.IntDistribution(0, _step_count(hp))
    if hp.sampling == REVERSE_LOG:
        return kinds.FloatDistribution(0.0, 1.0)
    low, high, log = hp.min_value, hp.max_value, hp.sampling == LOG
    if kind == "Float":
        return kinds.FloatDistribution(float(low), float(high), log=log)
    step = 1 if log else hp.step
    high = low + (high - low) // step * step
    return kinds.IntDistribution(low, high, log=log, step=step)


def from_optuna(hp, number):
    """Return the value of a hyperparameter for a number from its distribution."""
    if not _has_own_scale(hp):
        return number
    if not _has_step_index(hp):
        return min(hp.prob_to_value(number), hp.max_value)
    if hp.sampling == LINEAR:
        return hp.min_value + number * hp.step
    value = hp.min_value * hp.step**number
    if hp.sampling == REVERSE_LOG:
        value = hp.max_value + hp.min_value - value
    return int(value) if type(hp).__name__ == "Int" else value


def to_optuna(hp, value):
    """Return the number in the distribution for a value of a hyperparameter."""
    if not _has_own_scale(hp):
        return value
    if not _has_step_index(hp):
        return min(hp.value_to_prob(value), 1.0)
    if hp.sampling == LINEAR:
        return round((value - hp.min_value) / hp.step)
    if hp.sampling == REVERSE_LOG:
        value = hp.max_value + hp.min_value - value
    return round(math.log(value / hp.min_value, hp.step))


def _has_own_scale(hp):
    """Return whether Optuna lacks the scale, and gets a position on it instead."""
    if type(hp).__name__ not in ("Float", "Int"):
        return False
    return hp.sampling == REVERSE_LOG or _has_step_index(hp)


def _has_step_index(hp):
    """Return whether Optuna gets the index of a step, which keeps values exact."""
    whole = type(hp).__name__ == "Int" and hp.sampling == LINEAR
    return hp.step is not None and not whole


def _step_count(hp):
    """Return the number of steps from the lowest value to the highest."""
    if hp.sampling == LINEAR:
        count = (hp.max_value - hp.min_value) / hp.step
    else:
        count = math.log(hp.max_value / hp.min_value, hp.step)
    return math.floor(count + 1e-8)
