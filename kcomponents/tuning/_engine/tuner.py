"""StoreTuner: a tuner of keras-tuner whose trials are in a store."""

import contextlib
import inspect
import io
import os
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial

from kcomponents._checks import fail
from kcomponents._console import show
from kcomponents.tuning._engine.oracle import StoreOracle
from kcomponents.tuning._engine.settings import OF_ORACLE
from kcomponents.tuning._engine.trial_doctor import ModelRecorders
from kcomponents.tuning._engine.trial_run import TrialRun
from kcomponents.tuning._engine.trials import Engine
from kcomponents.tuning._reuse.model_cache import TrialModels
from kcomponents.tuning._space_walk import activation_of
from kcomponents.tuning._storage.identity import Identity
from kcomponents.tuning._storage.presence import Presence
from kcomponents.tuning._storage.project import JOURNAL
from kcomponents.tuning._storage.store import Store
from kcomponents.tuning._storage.weights import BestWeights


class StoreTuner(keras_tuner.Tuner):
    """Builds and trains the models of the trials in a store.

    Args:
        hypermodel: `keras_tuner.HyperModel`, or a function of `hp`.
        settings: Settings.
        arguments: Dict of arguments of keras-tuner's tuner and oracle.
        space: `HyperParameters` of the model if they are known already. Defaults to
            `None`: build the model to find them.
    """

    def __init__(self, hypermodel, settings, arguments, space=None):
        self.settings, self.arguments = settings, arguments
        self._space = space
        of_tuner = dict(arguments)
        of_oracle = {name: of_tuner.pop(name) for name in OF_ORACLE if name in of_tuner}
        oracle = StoreOracle(max_trials=settings.max_trials, **of_oracle)
        super().__init__(oracle, hypermodel, **of_tuner)
        self.store = oracle.store = self._open_store(of_tuner.get("overwrite", False))
        space, maximize = oracle.hyperparameters, oracle.objective.direction == "max"
        activation = activation_of(space)
        self.engine = Engine(self.store, settings, space, activation, maximize)
        self.best_weights = BestWeights(
            self.store, self.project_dir, settings.keep_models, maximize
        )
        self.presence = Presence(self.project_dir)
        self.models, self.recorders = TrialModels(settings.reuse), ModelRecorders()

    def _open_store(self, overwrite):
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

    def prepare(self, *args, command=None, **kwargs):
        """Return the arguments of `fit`; raise if the store has another search."""
        if not self.oracle.hyperparameters.space:
            fail(
                "`hypermodel` must define a hyperparameter (a choice of `hp`).",
                space=[],
            )
        args, kwargs = fit_arguments(args, kwargs)
        executions = self.executions_per_trial
        identity = Identity(
            self.store, self.settings, self.hypermodel, self.oracle, executions
        )
        identity.check(args, kwargs, command)
        return args, kwargs

    def run_trials(self, args, kwargs, stop, limit=None, show_progress=None):
        """Run trials in this process until none is left; return how many ran.

        Args:
            args: Positional arguments of `fit`.
            kwargs: Keyword arguments of `fit`.
            stop: Stop.
            limit: Integer, most trials to run. Defaults to `None`, no limit.
            show_progress: Function without arguments that is called after each epoch
                and trial. Defaults to `None`.
        """
        kwargs, count = {"verbose": 0, **kwargs}, 0
        with self.presence:
            while limit is None or count < limit:
                trial = self.engine.next_trial(stop)
                if trial is None:
                    break
                TrialRun(self, trial, stop, show_progress).run(args, kwargs)
                self.engine.check_crashes()
                count += 1
                if show_progress is not None:
                    show_progress()
        return count

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> list[Any]:
        """Train `executions_per_trial` models with the trial's hyperparameters.

        Subclasses may override it, as in keras-tuner.

        Args:
            trial: Trial that the search runs.
            *args: Positional arguments of `fit`.
            **kwargs: Keyword arguments of `fit`.

        Returns:
            List of what `fit` of the hypermodel returns.
        """
        return trial.train(args, kwargs)

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

    def results_summary(self, num_trials: int = 10) -> None:
        """Print the best trials, as keras-tuner does."""
        _show_printed(super().results_summary, num_trials)

    def search_space_summary(self, extended: bool = False) -> None:
        """Print the hyperparameters, as keras-tuner does."""
        _show_printed(super().search_space_summary, extended)

    def load_model(self, trial: Trial) -> keras.Model:
        """Return the model of a trial with the weights of its best epoch."""
        model = self._build_hypermodel(trial.hyperparameters)
        self.best_weights.load(model, trial.trial_id)
        return model

    def save(self) -> None:
        """Do nothing: the store is up to date after every step."""

    def reload(self) -> None:
        """Do nothing: trials are read from the store when they are needed."""


def _show_printed(function, *args):
    """Call a function, and show what it prints, which may contain names of others."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        function(*args)
    show(printed.getvalue().removesuffix("\n"))


def fit_arguments(args, kwargs):
    """Return positional and keyword arguments of `fit`; call `data` if it is there.

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
    return (), {**_by_name(data()), **kwargs}


def _by_name(data):
    if isinstance(data, dict):
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        first, second = data
        if isinstance(first, tuple | list) and isinstance(second, tuple | list):
            return {"x": first[0], "y": first[1], "validation_data": tuple(second)}
        return {"x": first, "y": second}
    # A dataset or a generator of batches.
    return {"x": data}
