"""Recorder: writes what it measures during one `fit` to a record."""

import platform
import re
import warnings
import weakref

import keras
import numpy as np

from kcomponents import _backends, _keras, _version
from kcomponents._keras.optimizers import iterations_of
from kcomponents._recording.outputs import outputs_of
from kcomponents._recording.sample import (
    data_facts,
    sample_of,
    sample_of_batches,
    validation_of,
)
from kcomponents._recording.step_statistics import (
    OF_GRADIENTS,
    OF_LOSS,
    OF_OPTIMIZER,
    OF_OUTPUTS,
    is_watched,
    summary,
)
from kcomponents.probes import Probe, structure
from kcomponents.record import Reading

IN_CALL = re.compile(
    r"Exception encountered when calling (.+)\.\n\n\x1b\[1m([^\n\x1b]+)"
)
# The most samples and batches to take from a generator or dataset.
ROWS_DRAWN, BATCHES_DRAWN = 512, 16


OTHER_OPTIMIZERS = (
    "The optimizer of `compile` got no gradients: a `train_step` uses others, so "
    "gradients and updates were not measured."
)


class Recorder:
    """Measures one run for a record.

    Call `start` before training, `record_epoch` after the epochs to measure, and `stop`
    after training. Errors while measuring become `notes`, because they must not stop
    the run.

    Args:
        model: Keras model.
        record: Record to add to.
        data: Pair of inputs and targets. Defaults to `None`, the data of `fit`.
        epoch: Integer, epochs that are already in the record. Defaults to 0.
        before_first_step: Function that is called before the first step, when the
            facts are in the record.
        strict: Boolean, whether to raise an error if the data do not fit the model.
            Defaults to `False`.
    """

    def __init__(
        self,
        model,
        record,
        data=None,
        epoch=0,
        *,
        before_first_step=lambda: None,
        strict=False,
    ):
        self.model, self.record, self.epoch = model, record, epoch
        self.before_first_step, self.strict = before_first_step, strict
        self.notes = Notes()
        self.sample = self.outputs = None
        self._data, self._probe, self._batches = data, None, []
        # The part of the sample that the model is run on, and the function that does.
        self._small_sample = self._predict = None
        self._steps_before = 0

    def start(self, fit_arguments, tapped=True, before=None):
        """Record the facts before training and, if `tapped`, attach a probe.

        Args:
            fit_arguments: Dict, the local variables of the running `fit`.
            tapped: Boolean, whether to measure inside the training step. Defaults to
                `True`.
            before: Recorder of an earlier `fit` of the same model. Defaults to `None`.
        """
        self._fit_arguments = fit_arguments
        xy = self._data or (fit_arguments.get("x"), fit_arguments.get("y"))
        self._xy = [_reference(part) for part in xy]
        self._compiled = getattr(self.model, "optimizer", None), self.model.loss
        if before is not None and before.is_valid_for(self):
            self.sample, self.outputs = before.sample, before.outputs
            self._small_sample, self._predict = before._small_sample, before._predict
        else:
            self._record_facts(*xy)
        if tapped:
            self._try(self._tap, "measure inside the training step")
        self._steps_before = iterations_of(self.model)

    def record_epoch(self, epoch, measure=None):
        """Record the measurements since the last call, and the scores of the sample.

        Args:
            epoch: Integer, the number of the epoch, counted from 0.
            measure: Function of the sample that returns more values for the reading:
                statistic → name → number. Defaults to `None`.
        """
        if len(self._batches) > 1:
            self._try(self._use_batches, "run the model on its data")
        self._release_data()
        values = {} if self._probe is None else self._read()
        self._try(lambda: values.update(self.scores()), "run the model on its data")
        if measure is not None:
            values.update(measure(self.sample))
        step = max(iterations_of(self.model) - self._steps_before, 0)
        self.record.add(Reading(epoch, step, values))

    def stop(self):
        """Detach the probe, and add the notes to the record."""
        if self.notes:
            self.record.structure |= {"notes": list(dict.fromkeys(self.notes))}
        if self._probe is not None:
            self._probe.detach()
            self._probe = None
        self._release_data()

    def _release_data(self):
        """Let go of the data of `fit`, which is not read after its first batches."""
        self._batches, self._fit_arguments = [], {}

    def get_state(self):
        """Return what was measured since the last reading, to continue from later."""
        return {
            "steps_before": self._steps_before,
            "notes": list(self.notes),
            "probe": None if self._probe is None else self._probe.get_state(),
        }

    def set_state(self, state):
        """Continue from a state that `get_state` returned, during training.

        Raises:
            ValueError: If the state is of another model.
        """
        if self._probe is not None and state["probe"] is not None:
            self._probe.set_state(state["probe"])
        self._steps_before = int(state["steps_before"])
        self.notes[:] = [*state["notes"]]

    def is_valid_for(self, later):
        """Return whether these facts also hold for a later `fit` of the model."""
        xy = [part() for part in later._xy]
        same = all(a() is b for a, b in zip(self._xy, xy, strict=True))
        from_batches = later._data is None and sample_of(*xy) is None
        compiled = zip(self._compiled, later._compiled, strict=True)
        complete = self.outputs is not None and all(a is b for a, b in compiled)
        return complete and (same or from_batches)

    def _record_facts(self, x, y):
        self.sample = sample_of(x, y)
        if self.sample is not None and not self.model.variables:
            batch = keras.tree.map_structure(lambda leaf: leaf[:2], (x, y))
            self._try(
                lambda: _keras.build_metrics(self.model, batch), "build the model"
            )
        self._try(self._describe, "describe the model")
        epochs = self._fit_arguments.get("epoch_iterator")
        if self.sample is None and epochs is not None:
            iterator_over = _backends.batch_iterator
            read = self._read_batch
            error = self._try(
                lambda: _keras.show_first_batches(epochs, read, iterator_over),
                "read the data of `fit`",
            )
            if error is not None:
                self.before_first_step()
        else:
            self._try(self._record_data, "run the model on its data")
            self.before_first_step()

    def _describe(self):
        found = structure(self.model)
        found["fit"] = _fit_facts(self._fit_arguments)
        found["versions"] = _versions()
        # Of the first of several `fit` calls, as later ones start from trained weights.
        first = self.record.structure.get("initial")
        found["initial"] = first or _initial_facts(self.model)
        self.record.structure = {**found, "data": None}

    def _read_batch(self, batch):
        """Add a batch of `fit` to the sample, and return whether to read another."""
        self._batches.append(batch)
        if len(self._batches) == 1:
            # Before the first step, so that contradictions are found in time.
            self._try(self._use_batches, "run the model on its data")
            self.before_first_step()
        count = len(self._batches)
        rows = len(keras.tree.flatten(batch)[0]) * count
        return rows < ROWS_DRAWN and count < BATCHES_DRAWN

    def _use_batches(self):
        self.sample = sample_of_batches(self._batches)
        if not self.record.structure:
            self._describe()
        self._record_data()

    def _record_data(self):
        self._small_sample = self.sample.first_samples()
        self._predict = _backends.inference(self.model)
        predictions = self._predictions()
        loss = self.record.structure.get("loss")
        self.outputs = outputs_of(self.model, loss, self.sample.y, predictions)
        validation = validation_of(self._fit_arguments)
        found = data_facts(self.sample, self.outputs, validation)
        self.record.structure = {**self.record.structure, "data": found}
        if not self.record.readings:
            self.record.add(Reading(self.epoch, 0, self.scores()))

    def _predictions(self):
        _backends.synchronize(self.model)
        with warnings.catch_warnings():
            # Training itself gives the same warnings.
            warnings.simplefilter("ignore")
            with _backends.keep_random_state():
                found = self._predict(self._small_sample.x)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, found)

    def scores(self):
        """Return the scores of the sample: statistic → output → number."""
        if not self.outputs:
            return {}
        leaves = keras.tree.flatten(self._predictions())
        found = {}
        for output, leaf in zip(self.outputs, leaves, strict=True):
            for name, value in output.scores(np.asarray(leaf, "float64")).items():
                found.setdefault(f"sample_{name}", {})[output.name] = value
        return found

    def _tap(self):
        optimizer = _keras.unscaled_optimizer(self.model)
        statistics = [*OF_OUTPUTS]
        if optimizer is not None:
            statistics += OF_OPTIMIZER
        own = type(self.model).train_step is not keras.Model.train_step
        if not (own and _backends.carries_state):
            # On JAX, a custom `train_step` may hide its loss.
            statistics += OF_LOSS
        probe = Probe(*statistics, watch=is_watched, sample=16)
        probe.attach(self.model)
        self._probe = probe

    def _read(self):
        reading = self._probe.read()
        self._probe.reset()
        values = summary(reading, self._probe.sites, self._probe.last_layers)
        steps = values.get("steps", {"all": 1})["all"]
        variables = self._probe.variables
        if variables and (steps or self._probe.optimizer_used):
            return values
        if variables:
            self.notes.append(OTHER_OPTIMIZERS)
        return {name: v for name, v in values.items() if name not in OF_GRADIENTS}

    def _try(self, function, task):
        error = self.notes.attempt(function, task)
        if error is not None and self.strict and function == self._record_data:
            rule = "`data` must be inputs and targets that fit the model"
            raise ValueError(f"{rule}: {error}") from error
        return error


def _reference(thing):
    """Return a weak reference to a thing, or a function that returns it."""
    try:
        return weakref.ref(thing)
    except TypeError:
        return lambda: thing


class Notes(list):
    """List of sentences for the record; `attempt` adds to it."""

    def attempt(self, function, task):
        """Call a function; note its warnings, or note its error and return it."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                function()
        except Exception as error:
            self.append(f"The doctor could not {task}: {_reason(error)}")
            return error
        self += [
            str(item.message).splitlines()[0]
            for item in caught
            if issubclass(item.category, UserWarning)
        ]
        return None


def _reason(error):
    """Return the first line of an error; Keras writes the layer's call before it."""
    text = str(error).strip()
    if found := IN_CALL.match(text):
        return f"{found[2]} (in {found[1]})"
    return text.splitlines()[0] if text else type(error).__name__


# Facts about a run before its first step


def _fit_facts(arguments):
    """Return the arguments of `fit`, for `structure["fit"]`."""
    epochs = arguments.get("epoch_iterator")
    weights = arguments.get("class_weight")
    return {
        "epochs": arguments.get("epochs"),
        "batch_size": _batch_size(arguments),
        "steps": getattr(epochs, "num_batches", None),
        "validation": arguments.get("validation_data") is not None,
        "class_weight": weights and {str(k): float(v) for k, v in weights.items()},
        "sample_weight": arguments.get("sample_weight") is not None,
        "shuffle": bool(arguments.get("shuffle")),
    }


def _batch_size(arguments):
    if size := arguments.get("batch_size"):
        return int(size)
    arrays = hasattr(arguments.get("x"), "shape")
    return 32 if arrays else None


def _initial_facts(model):
    """Return path → facts about each kernel before training."""
    found = {}
    for variable in model.trainable_variables:
        if len(variable.shape) < 2 or not np.prod(variable.shape):
            continue
        values = keras.ops.cast(variable.value, "float32")
        first = values[..., :1]
        differ = keras.ops.max(keras.ops.abs(values - first))
        numbers = [keras.ops.mean(values), keras.ops.std(values), differ]
        mean, std, differ = (float(keras.ops.convert_to_numpy(n)) for n in numbers)
        shape = variable.shape
        fan_in = int(np.prod(shape[:-1]))
        found[variable.path] = {
            "shape": list(shape),
            "mean": mean,
            "std": std,
            "fan_in": fan_in,
            # Whether all units of the layer start with the same weights.
            "units_equal": bool(differ == 0 and shape[-1] > 1),
        }
    return found


def _versions():
    """Return the versions of the package, Keras and Python."""
    return {
        "kcomponents": _version.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }
