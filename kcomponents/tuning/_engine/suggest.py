"""Convert hyperparameters of keras-tuner to distributions of Optuna, and back."""

import importlib.util
import math
import warnings

from kcomponents._checks import fail, one_of
from kcomponents._optional import keras_tuner, optuna
from kcomponents.tuning._optuna_logging import quiet

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


# Suggest the hyperparameters of the next trial from the trials so far.

# The most attempts to draw values that have not been tried yet.
DRAWS = 20
SAMPLERS = ("tpe", "random", "gp", "grid")
# Optuna needs them for Gaussian processes.
OF_GP = ("scipy.optimize", "torch.linalg")


def checked_sampler(sampler):
    """Return a sampler's name or a sampler of Optuna; raise for anything else."""
    if isinstance(sampler, optuna.samplers.BaseSampler):
        return sampler
    one_of("sampler", sampler, SAMPLERS)
    if sampler == "gp":
        missing = [name.split(".")[0] for name in OF_GP if not _is_installed(name)]
        if missing:
            rule = f"Gaussian processes need {' and '.join(missing)}."
            fail(f"{rule} Install it, or use 'tpe'.", sampler="gp")
    return sampler


def _is_installed(name):
    return importlib.util.find_spec(name.split(".")[0]) is not None


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
        study = optuna.create_study(sampler=_made(sampler, seed), direction=direction)
    study.add_trials(history)
    tried = {_key(trial.user_attrs["values"]) for trial in history}
    for _ in range(DRAWS):
        trial = study.ask()
        values = _drawn(space, trial)
        if _key(values) not in tried:
            break
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return values


def parameters_of(space, values):
    """Return `{name: (drawn, distribution)}` for Optuna."""
    found = {}
    for hp in space.space:
        distribution = distribution_of(hp)
        if hp.name in values and distribution is not None:
            found[hp.name] = drawn_of(hp, values[hp.name]), distribution
    return found


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


def _made(sampler, seed):
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


def _drawn(space, trial):
    def choose(hp):
        distribution = distribution_of(hp)
        if distribution is None:
            return hp.default
        return value_of(hp, _suggested(trial, hp.name, distribution))

    return values_by(space, choose)


def _suggested(trial, name, distribution):
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
