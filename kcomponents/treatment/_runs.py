"""Runs: trainings of copies of a model, with changes and without, from a seed."""

import contextlib
import copy
import time

import keras

from kcomponents import _console
from kcomponents._examination.examiner import Examiner
from kcomponents._keras.models import built_metrics, metric_direction
from kcomponents._keras.random_state import no_trace, random_state, set_random_state
from kcomponents.doctor import skills
from kcomponents.record import Record
from kcomponents.treatment._forks import fork
from kcomponents.treatment._settings import Program

# Callbacks that change how a model is trained, and write nothing. Others are left out.
OF_TRAINING = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
)
# Settings after which losses and metrics are those of another task.
OTHER_SCALE = {"target_scaling", "output_activation_and_loss", "from_logits"}
SKILL = "skill"


class Run:
    """One training of a copy of a model, with changes, which can stop and go on.

    Args:
        source: Compiled Keras model, or a function that returns one.
        fit: Dict of the arguments of `fit`.
        changes: Sequence of `Change`.
        seed: Integer, the seed of the initial weights, if a function makes the model,
            of the order of samples and of random layers.

    Raises:
        NotApplicable: If a change cannot be made.
    """

    def __init__(self, source, fit, changes, seed):
        self.changes, self.done, self.seconds = tuple(changes), 0, 0.0
        # The exception that ended the training, if one did.
        self.error = None
        self.doctor = Examiner()
        with no_trace():
            keras.utils.set_random_seed(seed)
            self.program = Program(fork(source), fit)
            for change in self.changes:
                self.program.where = change.where
                self.program.set(change.remedy.setting, change.value)
            # Remedies draw random numbers too, but batches come in the same order.
            keras.utils.set_random_seed(seed)
            self._randoms = random_state()
        # Copies, as a callback refers to the model that it was used with last.
        self._callbacks = [
            copy.copy(callback)
            for callback in self.program.fit.pop("callbacks", None) or ()
            if isinstance(callback, OF_TRAINING)
        ]

    @property
    def epochs(self):
        """The number of epochs of `fit`, which a remedy may have changed."""
        return self.program.fit.get("epochs", 1)

    def train(self, epochs, stopper):
        """Train up to an epoch.

        Args:
            epochs: Integer, the last epoch, counted from 1.
            stopper: Callback that may end the training.
        """
        start = time.perf_counter()
        arguments = {**self.program.fit, "epochs": epochs, "initial_epoch": self.done}
        callbacks = [self.doctor, *self._callbacks, stopper]
        with no_trace(), _console.silence():
            set_random_state(self._randoms)
            arguments |= {"callbacks": callbacks, "verbose": 0}
            try:
                self.program.model.fit(**arguments)
            except Exception as error:
                self.error = error
            self._randoms = random_state()
        # Early stopping ends it for good.
        stopped = getattr(self.program.model, "stop_training", False)
        self.done = self.epochs if stopped else epochs
        self.seconds += time.perf_counter() - start

    def diagnosis(self):
        """Return the diagnosis of the run, or of model and data if it never began."""
        found = self.doctor.diagnosis
        if found.findings or self.error is None:
            return found
        fit = self.program.fit
        with no_trace(), contextlib.suppress(Exception):
            found = Examiner.examine_now(self.program.model, fit["x"], fit["y"])
        return found

    def metric(self):
        """Return the name in the logs of the first metric, and whether it should rise.

        The name is None if no metric is compiled, or if its better direction is not
        known.
        """
        for metric in built_metrics(self.program.model):
            direction = metric_direction(metric)
            if direction and metric.name != "loss":
                for name in (f"val_{metric.name}", metric.name):
                    if any(name in logs for logs in self.doctor.record.logs):
                        return name, direction == "up"
        return None, True

    def curve(self, name):
        """Return a value of the logs for each epoch that has it."""
        return [logs[name] for logs in self.doctor.record.logs if name in logs]

    def value(self, name, epochs=None):
        """Return a value of the logs after some epochs, NaN if there is none."""
        curve = self.curve(name)[: self._kept if epochs is None else epochs]
        return curve[-1] if curve else float("nan")

    @property
    def _kept(self):
        """After how many epochs the weights were as they are; None for all.

        Early stopping may restore those of an earlier epoch.
        """
        for callback in self._callbacks:
            restores = getattr(callback, "restore_best_weights", False)
            if restores and callback.best_weights is not None:
                return callback.best_epoch + 1
        return None

    def skill(self, epochs=None):
        """Return the mean skill of the outputs after some epochs, NaN if unknown.

        It is that on validation data, if they tell, and 0 after an exception.
        """
        if self.error is not None:
            return 0.0
        epochs = self._kept if epochs is None else epochs
        record = self.doctor.record
        if epochs is not None:
            whole, record = record, Record(record.structure)
            record.readings = [r for r in whole.readings if r.epoch < epochs]
            record.logs = [entry for entry in whole.logs if entry["epoch"] < epochs]
        found = skills(record, validation=True) or skills(record)
        # A model that is far worse than a constant prediction is just of no use.
        values = [max(value, 0.0) for value in found.values()]
        return sum(values) / len(values) if values else float("nan")
