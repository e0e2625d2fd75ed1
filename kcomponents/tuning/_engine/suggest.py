"""Suggest the hyperparameters of the next trial from the trials so far."""

import importlib.util
import warnings

from kcomponents._check import fail, one_of
from kcomponents.tuning._optional import keras_tuner, optuna
from kcomponents.tuning._quiet import quiet
from kcomponents.tuning._spaces.distributions import distribution_of, drawn_of, value_of

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
