"""Tuner: keras-tuner's, with what it knows in a store."""

import copy
import os

import keras
import keras_tuner

from kcomponents._check import fail
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

# Arguments of keras-tuner's oracle.
OF_ORACLE = ("objective", "hyperparameters", "allow_new_entries", "tune_new_entries")


class StoreTuner(keras_tuner.Tuner):
    """Builds and trains the models of trials that a store hands out.

    Args:
        hypermodel: `keras_tuner.HyperModel`, or a function of `hp`.
        settings: Settings.
        given: Dict of arguments of keras-tuner's tuner and oracle.
        space: `HyperParameters` that building the model has shown before, or `None`.
            Defaults to `None`.
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
        """Return the arguments of `fit`, if this is the search that the store holds."""
        if not self.oracle.hyperparameters.space:
            fail("`hypermodel` must ask `hp` for a choice.", space=[])
        args, kwargs = fit_arguments(args, kwargs)
        guard(self, args, kwargs, command)
        return args, kwargs

    def work(self, args, kwargs, stop, limit=None, shown=None):
        """Run trials in this process until none is left; return how many it were."""
        return work(self, args, {"verbose": 0, **kwargs}, stop, limit, shown)

    def run_trial(self, trial, *args, **kwargs):
        """Train one model, or as many as `executions_per_trial`, with these values."""
        given, results = kwargs.pop("callbacks", None) or [], []
        run, hp = self.run, trial.hyperparameters
        for execution in range(self.executions_per_trial):
            keras.utils.set_random_seed(run.seed(execution))
            model = self.models.model_for(self._build_hypermodel, hp)
            # Last, so that it sees what others add to the logs.
            callbacks = [*copy.deepcopy(given), run.trains(model, execution)]
            results.append(
                self.hypermodel.fit(hp, model, *args, callbacks=callbacks, **kwargs)
            )
            if run.watched[-1].reason is not None:
                break
        self.oracle.update_space(hp)
        return results

    def _build_hypermodel(self, hp):
        """Return the model of these values, if it is one, of a size that is allowed."""
        model = super()._build_hypermodel(hp)
        if not isinstance(model, keras.Model):
            rule = "`build` must return a Keras model"
            raise keras_tuner.errors.FatalTypeError(f"{rule}. Received: {model!r}")
        size, limit = model.count_params() if model.built else 0, self.max_model_size
        if limit is not None and size > limit:
            rule = f"The model has {size} parameters, more than {limit}."
            raise keras_tuner.errors.FailedTrialError(rule)
        return model

    def load_model(self, trial):
        """Return the model of a trial with the weights of its best epoch."""
        model = self._build_hypermodel(trial.hyperparameters)
        best.load(model, self.get_trial_dir(trial.trial_id))
        return model

    def save(self):
        """Do nothing: every step is in the store as soon as it is done."""

    def reload(self):
        """Do nothing: the store is read whenever it is asked."""
