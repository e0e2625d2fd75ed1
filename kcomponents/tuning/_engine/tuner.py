"""The loop of a worker: take a trial, run it, store its outcome."""

import copy
import inspect
import os
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial

from kcomponents._checks import fail
from kcomponents.tuning._engine.arguments import OF_ORACLE
from kcomponents.tuning._engine.oracle import StoreOracle
from kcomponents.tuning._engine.trial_doctor import Judge
from kcomponents.tuning._engine.trial_run import GivenBack, TrialRun
from kcomponents.tuning._engine.trials import Engine
from kcomponents.tuning._reuse.model_cache import Models
from kcomponents.tuning._space_walk import activation_of
from kcomponents.tuning._storage import weights
from kcomponents.tuning._storage import weights as weights_module
from kcomponents.tuning._storage.identity import guard
from kcomponents.tuning._storage.project import JOURNAL
from kcomponents.tuning._storage.store import Store


def work(search, args, kwargs, stop, limit=None, shown=None):
    """Run trials until none is left or `limit` is reached; return how many ran."""
    count = 0
    while limit is None or count < limit:
        trial = search.engine.next_trial(stop)
        if trial is None:
            break
        run_trial(search, trial, args, kwargs, stop)
        search.engine.check()
        count += 1
        if shown is not None:
            shown()
    return count


def run_trial(search, trial, args, kwargs, stop):
    """Run one trial, and give it back if it is interrupted."""
    engine = search.engine
    with engine.lease(trial) as lease:
        run = search.run = TrialRun(search, trial, lease, stop)
        try:
            outcome = run.run(args, kwargs)
            _keep(search, run, outcome)
        except GivenBack:
            engine.give_back(trial)
            return
        except BaseException:
            engine.give_back(trial)
            raise
        finally:
            search.run = None
        engine.end(trial, outcome)
        weights_module.forget_others(search)


def _keep(search, run, outcome):
    """Save the weights of a trial if it is among the best."""
    weights = run.watched[0].best_weights if run.watched else None
    full = outcome.reason is None and run.known["kind"] != "repeat"
    if weights is None or not full:
        return
    store, count = search.store, search.settings.keep_models
    if weights_module.is_worth_keeping(
        store, outcome.score, search.engine.maximize, count
    ):
        weights_module.save(run.model, weights, search.get_trial_dir(run.known["slot"]))


# The data of a search: arguments of `fit`, or a function that returns them.


def fit_arguments(args, kwargs):
    """Return positional and keyword arguments of `fit`; call `data` if it is given.

    `data` returns a dict of arguments of `fit`, `(x, y)`, or
    `((x, y), (x_val, y_val))`.
    """
    if "data" not in kwargs:
        return args, kwargs
    kwargs = dict(kwargs)
    data = kwargs.pop("data")
    if not callable(data) or inspect.isclass(data):
        fail("`data` must be a function that returns the data.", data=data)
    if args:
        rule = "Pass either arrays or a function `data`, not both."
        fail(rule, positional_arguments=len(args))
    return (), {**_named(data()), **kwargs}


def _named(data):
    if isinstance(data, dict):
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        first, second = data
        if isinstance(first, tuple | list) and isinstance(second, tuple | list):
            return {"x": first[0], "y": first[1], "validation_data": tuple(second)}
        return {"x": first, "y": second}
    # A dataset or a generator of batches.
    return {"x": data}


class StoreTuner(keras_tuner.Tuner):
    """Builds and trains the models of the trials in a store.

    Args:
        hypermodel: `keras_tuner.HyperModel`, or a function of `hp`.
        settings: Settings.
        given: Dict of arguments of keras-tuner's tuner and oracle.
        space: `HyperParameters` of the model if they are known already. Defaults to
            `None`: build the model to find them.
    """

    def __init__(self, hypermodel, settings, given, space=None):
        self.settings, self.given, given = settings, given, dict(given)
        self._space = space
        of_oracle = {name: given.pop(name) for name in OF_ORACLE if name in given}
        oracle = StoreOracle(max_trials=settings.max_trials, **of_oracle)
        super().__init__(oracle, hypermodel, **given)
        self.store = self._opened(given.get("overwrite", False))
        oracle.store, space = self.store, oracle.hyperparameters
        activation, maximize = activation_of(space), oracle.objective.direction == "max"
        self.engine = Engine(self.store, settings, space, activation, maximize)
        self.models, self.run, self.shown = Models(settings.reuse), None, None
        self.judge = Judge(self.models.holds)

    def _opened(self, overwrite):
        place = self.settings.store or os.path.join(self.project_dir, JOURNAL)
        direction = f"{self.oracle.objective.direction}imize"
        store = Store(place, self.project_name, direction)
        if overwrite and store.trials():
            store.delete()
            store = Store(place, self.project_name, direction)
        return store

    def _populate_initial_space(self):
        if self._space is None:
            super()._populate_initial_space()
        else:
            self.oracle.update_space(self._space)

    def prepared(self, *args, command=None, **kwargs):
        """Return the arguments of `fit`; raise if the store has another search."""
        if not self.oracle.hyperparameters.space:
            fail(
                "`hypermodel` must define a hyperparameter (a choice of `hp`).",
                space=[],
            )
        args, kwargs = fit_arguments(args, kwargs)
        guard(self, args, kwargs, command)
        return args, kwargs

    def work(self, args, kwargs, stop, limit=None, shown=None):
        """Run trials in this process until none is left; return how many ran."""
        return work(self, args, {"verbose": 0, **kwargs}, stop, limit, shown)

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> list[Any]:
        """Train `executions_per_trial` models with the trial's hyperparameters."""
        given, results = kwargs.pop("callbacks", None) or [], []
        run, hp = self.run, trial.hyperparameters
        for execution in range(self.executions_per_trial):
            keras.utils.set_random_seed(run.seed(execution))
            model = self.models.model_for(self._build_hypermodel, hp)
            # Last, because the user's callbacks may add to the logs.
            callbacks = [*copy.deepcopy(given), run.trains(model, execution)]
            results.append(
                self.hypermodel.fit(hp, model, *args, callbacks=callbacks, **kwargs)
            )
            if run.watched[-1].reason is not None:
                break
        self.oracle.update_space(hp)
        return results

    def _build_hypermodel(self, hp):
        """Build a model; raise if it is no Keras model or larger than allowed."""
        model = super()._build_hypermodel(hp)
        if not isinstance(model, keras.Model):
            rule = "`build` must return a Keras model"
            raise keras_tuner.errors.FatalTypeError(f"{rule}. Received: {model!r}")
        size, limit = model.count_params() if model.built else 0, self.max_model_size
        if limit is not None and size > limit:
            rule = f"The model must have at most {limit} parameters (`max_model_size`)."
            raise keras_tuner.errors.FailedTrialError(f"{rule} Received: size={size}")
        return model

    def load_model(self, trial: Trial) -> keras.Model:
        """Return the model of a trial with the weights of its best epoch."""
        model = self._build_hypermodel(trial.hyperparameters)
        weights.load(model, self.get_trial_dir(trial.trial_id))
        return model

    def save(self) -> None:
        """Do nothing: the store is up to date after every step."""

    def reload(self) -> None:
        """Do nothing: trials are read from the store when they are needed."""
