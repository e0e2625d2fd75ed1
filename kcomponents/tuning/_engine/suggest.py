"""Which values to try next: a function of the space and of what was tried."""

import importlib.util
import warnings

from kcomponents._check import fail, one_of
from kcomponents.tuning._optional import keras_tuner, optuna
from kcomponents.tuning._spaces.distributions import distribution_of, drawn_of, value_of

# How often to draw again what was tried already, before it is tried once more.
DRAWS = 20
SAMPLERS = ("tpe", "random", "gp", "grid")
# By which Optuna computes Gaussian processes.
OF_GP = ("scipy.optimize", "torch.linalg")


def checked_sampler(sampler):
    """Return the name of a sampler, or one of Optuna's."""
    if isinstance(sampler, optuna.samplers.BaseSampler):
        return sampler
    one_of("sampler", sampler, SAMPLERS)
    if sampler == "gp":
        lost = [name.split(".")[0] for name in OF_GP if not _is_there(name)]
        if lost:
            missing = " and ".join(lost)
            fail(
                f"Gaussian processes need {missing}: install, or use 'tpe'.",
                sampler="gp",
            )
    return sampler


def _is_there(name):
    return importlib.util.find_spec(name.split(".")[0]) is not None


def suggest(space, history, sampler, direction, seed):
    """Return values that are worth a trial.

    Args:
        space: `keras_tuner.HyperParameters`.
        history: List of Optuna's frozen trials.
        sampler: String, or a sampler of Optuna, which keeps its own random state.
        direction: String, `"maximize"` or `"minimize"`.
        seed: Integer, another one for each trial, so that a search that was ended and
            taken up again goes on as if it had not been.
    """
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
    """Return `{name: (drawn, distribution)}` of values, as Optuna keeps them."""
    found = {}
    for hp in space.space:
        distribution = distribution_of(hp)
        if hp.name in values and distribution is not None:
            found[hp.name] = drawn_of(hp, values[hp.name]), distribution
    return found


def values_by(space, choose):
    """Return the values of what is active; `choose(hp)` gives that of each."""
    chosen = keras_tuner.HyperParameters()
    # In order, so that conditions see their parents.
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
        # Some arguments have been called experimental for years.
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
