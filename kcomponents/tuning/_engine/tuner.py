"""StoreTuner: keras-tuner's tuner, with its trials in a store."""

import copy
import os
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial

from kcomponents._check import fail
from kcomponents.tuning._engine.arguments import OF_ORACLE
from kcomponents.tuning._engine.data import fit_arguments
from kcomponents.tuning._engine.engine import Engine
from kcomponents.tuning._engine.oracle import StoreOracle
from kcomponents.tuning._keeping import best
from kcomponents.tuning._keeping.guard import guard
from kcomponents.tuning._keeping.opened import JOURNAL
from kcomponents.tuning._keeping.store import Store
from kcomponents.tuning._spaces.roles import activation_of
from kcomponents.tuning._trial.judge import Judge
from kcomponents.tuning._trial.models import Models
from kcomponents.tuning._workers.loop import work


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
        best.load(model, self.get_trial_dir(trial.trial_id))
        return model

    def save(self) -> None:
        """Do nothing: the store is up to date after every step."""

    def reload(self) -> None:
        """Do nothing: trials are read from the store when they are needed."""
