"""Notes: what the doctor could not record. Its own errors must not stop training."""

import warnings

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._keras.optimizers import iterations_of
from kcomponents._recording import data_facts as facts
from kcomponents._recording.outputs import outputs_of
from kcomponents._recording.sample import sample_of, sample_of_batches, validation_of
from kcomponents._recording.step_statistics import (
    OF_LOSS,
    OF_OPTIMIZER,
    OF_OUTPUTS,
    is_watched,
    numbers_of,
)
from kcomponents.probes import Probe, structure
from kcomponents.probes._hub import tapped_optimizer
from kcomponents.record import Reading


class Notes(list):
    """List of sentences for the record; `attempt` adds to it."""

    def attempt(self, function, task):
        """Call a function; note its warnings, or note its error and return it."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                function()
        except Exception as error:
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            self.append(f"The doctor could not {task}: {reason}")
            return error
        self += [
            str(item.message).splitlines()[0]
            for item in caught
            if issubclass(item.category, UserWarning)
        ]
        return None


# Watch: everything the doctor records during one `fit`.

# The most samples and batches to take from a generator or dataset.
ROWS_DRAWN, BATCHES_DRAWN = 512, 16


class Watch:
    """Measures one run for a record.

    Errors while measuring become `notes`, because they must not stop the run.

    Args:
        model: Keras model.
        record: Record to add to.
        data: Pair of inputs and targets. Defaults to `None`, the data of `fit`.
        epoch: Integer, epochs that are already in the record. Defaults to 0.
        on_data: Function that is called when the facts about the data are recorded.
        strict: Boolean, whether to raise an error if the data do not fit the model.
            Defaults to `False`.
    """

    def __init__(
        self, model, record, data=None, epoch=0, *, on_data=lambda: None, strict=False
    ):
        self.model, self.record, self.epoch = model, record, epoch
        self.on_data, self.strict = on_data, strict
        self.notes = Notes()
        self.sample = self.outputs = self._few = None
        self._data, self._probe, self._predict = data, None, None
        self._drawn, self._steps_before = [], 0

    def begin(self, known, tapped=True, before=None):
        """Record the facts before training and, if `tapped`, attach a probe.

        `before` is the watch of an earlier `fit` of the same model, or None.
        """
        self._known = known
        self._given = self._data or (known.get("x"), known.get("y"))
        self._compiled = getattr(self.model, "optimizer", None), self.model.loss
        if before is not None and before.serves(self):
            self.sample, self.outputs = before.sample, before.outputs
            self._few, self._predict = before._few, before._predict
        else:
            self._take_note(*self._given)
        if tapped:
            self._try(self._tap, "measure inside the training step")
        self._steps_before = iterations_of(self.model)

    def serves(self, later):
        """Return whether these facts also hold for a later `fit` of the model."""
        same = all(a is b for a, b in zip(self._given, later._given, strict=True))
        drawn = later._data is None and sample_of(*later._given) is None
        compiled = zip(self._compiled, later._compiled, strict=True)
        known = self.outputs is not None and all(a is b for a, b in compiled)
        return known and (same or drawn)

    def _take_note(self, x, y):
        self.sample = sample_of(x, y)
        if self.sample is not None and not self.model.variables:
            batch = keras.tree.map_structure(lambda leaf: leaf[:2], (x, y))
            self._try(
                lambda: _keras.build_metrics(self.model, batch), "build the model"
            )
        self._try(self._describe, "describe the model")
        if self.sample is None and (epochs := self._known.get("epoch_iterator")):
            _keras.see_first(epochs, self._draw, _backends.again)
        else:
            self._try(self._see_data, "run the model on its data")
            self.on_data()

    def look(self, epoch):
        """Record the measurements since the last call, and the scores of the sample."""
        if len(self._drawn) > 1:
            self._try(self._see_drawn, "run the model on its data")
        self._drawn = []
        values = {} if self._probe is None else self._read()
        self._try(lambda: values.update(self.scores()), "run the model on its data")
        step = max(iterations_of(self.model) - self._steps_before, 0)
        self.record.add(Reading(epoch, step, values))

    def end(self):
        """Detach the probe, and add the notes to the record."""
        if self.notes:
            self.record.structure |= {"notes": list(dict.fromkeys(self.notes))}
        if self._probe is not None:
            self._probe.detach()
            self._probe = None

    def _describe(self):
        found = structure(self.model)
        found["fit"] = facts.fit_facts(self._known)
        found["versions"] = facts.versions()
        # Of the first of several `fit` calls, as later ones start from trained weights.
        first = self.record.structure.get("initial")
        found["initial"] = first or facts.initial_facts(self.model)
        self.record.structure = {**found, "data": None}

    def _draw(self, batch):
        self._drawn.append(batch)
        if len(self._drawn) == 1:
            # Before the first step, so that contradictions are found in time.
            self._try(self._see_drawn, "run the model on its data")
            self.on_data()
        count = len(self._drawn)
        rows = len(keras.tree.flatten(batch)[0]) * count
        return rows < ROWS_DRAWN and count < BATCHES_DRAWN

    def _see_drawn(self):
        self.sample = sample_of_batches(self._drawn)
        if not self.record.structure:
            self._describe()
        self._see_data()

    def _see_data(self):
        self._few = self.sample.few()
        self._predict = _backends.inference(self.model)
        predictions = self._predicted()
        loss = self.record.structure.get("loss")
        self.outputs = outputs_of(self.model, loss, self.sample.y, predictions)
        found = facts.data_facts(self.sample, self.outputs, validation_of(self._known))
        self.record.structure = {**self.record.structure, "data": found}
        if not self.record.readings:
            self.record.add(Reading(self.epoch, 0, self.scores()))

    def _predicted(self):
        _backends.synchronize(self.model)
        with warnings.catch_warnings():
            # Training itself gives the same warnings.
            warnings.simplefilter("ignore")
            found = self._predict(self._few.x)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, found)

    def scores(self):
        """Return the scores of the sample: statistic → output → number."""
        if not self.outputs:
            return {}
        leaves = keras.tree.flatten(self._predicted())
        found = {}
        for output, leaf in zip(self.outputs, leaves, strict=True):
            for name, value in output.scored(np.asarray(leaf, "float64")).items():
                found.setdefault(f"sample_{name}", {})[output.name] = value
        return found

    def _tap(self):
        optimizer = tapped_optimizer(self.model)
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
        return numbers_of(reading, self._probe.sites, self._probe.last_layers)

    def _try(self, function, task):
        error = self.notes.attempt(function, task)
        if error is not None and self.strict and function == self._see_data:
            rule = "`data` must be inputs and targets that fit the model"
            raise ValueError(f"{rule}: {error}") from error
