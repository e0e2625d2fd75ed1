"""Facts about the data of a `fit`, and scores of the model on a sample of it."""

import copy
import warnings
import weakref

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._recording.forward_pass import ForwardPass
from kcomponents._recording.learnability import add_dependence, add_reachable
from kcomponents._recording.outputs import numbering_scores, outputs_of
from kcomponents._recording.pairing import paired_losses
from kcomponents._recording.run_facts import (
    batch_size_of,
    fit_facts,
    initial_facts,
    untrained_frozen,
    versions,
)
from kcomponents._recording.sample import (
    FIRST_ROWS,
    facts_of_inputs,
    facts_of_outputs,
    input_facts,
    named_inputs,
    sample_of,
    sample_of_batches,
    validation_of,
)
from kcomponents._recording.step_watch import has_own_step
from kcomponents._recording.stream import Stream, first_rows
from kcomponents._recording.work_budget import (
    WorkBudget,
    operations_of,
    training_work,
)
from kcomponents.probes import structure
from kcomponents.probes.structure import is_built, layers_without_weights
from kcomponents.record import Reading

# How much less accurate a model is on validation data whose labels are then compared.
FAR_BEHIND = 0.3
# Operations of the facts of the data for each element of the sample.
PER_ELEMENT = 30
# From so many weights on, a model takes long to compile.
MANY_WEIGHTS = 24
# With so many epochs, the model is run on the sample often.
MANY_EPOCHS = 6


class DataFacts:
    """Records facts about the data, and runs the model on a sample of it.

    Call `start` before training, `update` and `scores` after the epochs to measure, and
    `finish` after training.

    Args:
        model: Keras model.
        record: Record to add to.
        notes: `Notes` to add to.
        fit_arguments: Dict, the local variables of the running `fit`.
        data: Pair of inputs and targets. Defaults to `None`, the data of `fit`.
        epoch: Integer, epochs that are already in the record. Defaults to 0.
        before_first_step: Function that is called before the first step, when the
            facts are in the record.
        strict: Boolean, whether to raise an error if the data do not fit the model.
            Defaults to `False`.

    Attributes:
        sample: `Sample`, or None if the data could not be read.
        outputs: List of `Output`, or None if the model could not be run.
        budget: `WorkBudget`, or None without a sample.
        batch_size: Integer, or None if it is unknown.
        fails_to_build: Whether the model could not be built before its first batch.
    """

    def __init__(
        self,
        model,
        record,
        notes,
        fit_arguments,
        data=None,
        epoch=0,
        *,
        before_first_step=lambda: None,
        strict=False,
    ):
        self.model, self.record, self.epoch = model, record, epoch
        self.before_first_step, self.strict = before_first_step, strict
        self.sample = self.outputs = self.budget = self.batch_size = None
        self.fails_to_build = False
        self._notes, self._fit_arguments = notes, fit_arguments
        # Of data that are no arrays, the batches that are kept.
        self._data, self._stream = data, None
        # The part of the sample that the model is run on, and what runs it.
        self._small_sample = self._forward = self._validation = None
        # Whether the model is running on the sample beside the training.
        self._runs_beside = False
        self._references = [_reference(part) for part in self._xy]
        self._compiled = getattr(model, "optimizer", None), model.loss

    @property
    def _xy(self):
        arguments = self._fit_arguments
        return self._data or (arguments.get("x"), arguments.get("y"))

    def hold_for(self, later):
        """Return whether these facts are also those of a later `fit` of the model.

        Args:
            later: `DataFacts` of that, not started.
        """
        xy = [part() for part in later._references]
        same = all(a() is b for a, b in zip(self._references, xy, strict=True))
        from_batches = later._data is None and sample_of(*xy) is None
        compiled = zip(self._compiled, later._compiled, strict=True)
        complete = self.outputs is not None and all(a is b for a, b in compiled)
        return complete and (same or from_batches)

    def take_over(self, before):
        """Use the facts of an earlier `fit` instead of recording new ones."""
        self.sample, self.outputs = before.sample, before.outputs
        self.budget, self.batch_size = before.budget, before.batch_size
        self._small_sample, self._forward = before._small_sample, before._forward
        self._validation = before._validation

    def start(self):
        """Record what is known before the first step, or before its batch is drawn."""
        arguments = self._fit_arguments
        x, y = self._xy
        own = self._data is None
        self.sample = sample_of(
            x,
            y,
            arguments.get("sample_weight") if own else None,
            arguments.get("class_weight") if own else None,
            batch_size_of(arguments) if own else None,
            shuffled=bool(arguments.get("shuffle", True)),
        )
        self._try(lambda: self._build(x, y), "build the model")
        self._try(self._describe, "describe the model")
        epochs = self._fit_arguments.get("epoch_iterator")
        if self.sample is None and epochs is not None:
            steps = (self.record.structure.get("fit") or {}).get("steps")
            self._stream, iterator_over = Stream(steps), _backends.batch_iterator
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

    def _build(self, x, y):
        """Build a model that only its first batch would build."""
        if is_built(self.model):
            return
        batch = _keras.batch_spec(self._fit_arguments.get("epoch_iterator"))
        if self.sample is not None:
            rows = len(keras.tree.flatten(x)[0]) if self.sample.whole else 2
            batch = first_rows((x, y), rows)
        if batch is not None:
            self.fails_to_build = True
            x = keras.utils.unpack_x_y_sample_weight(batch)[0]
            self.model(keras.tree.map_structure(_symbol, x))
            if unbuilt := layers_without_weights(self.model):
                raise ValueError(f"a call does not build {', '.join(unbuilt)}.")
            # Keras also builds the optimizer, so the model must have all weights.
            _keras.build_metrics(self.model, batch)
            self.fails_to_build = False

    def _describe(self):
        found = structure(self.model)
        found["fit"] = fit_facts(self._fit_arguments)
        found["versions"] = versions()
        # Of the first of several `fit` calls, as later ones start from trained weights.
        first = self.record.structure.get("initial")
        found["initial"] = first or initial_facts(self.model)
        earlier = self.record.structure.get("untrained_frozen")
        fresh = untrained_frozen(self.model) if earlier is None else earlier
        found["untrained_frozen"] = fresh
        self.record.structure = {**found, "data": None}

    def _read_batch(self, batch):
        """Keep a batch of `fit`; return how many to let pass then, None for all."""
        to_pass = self._stream.add(batch)
        if len(self._stream.batches) == 1:
            # Before the first step, so that contradictions are found in time.
            self._try(self._use_batches, "run the model on its data")
            self.before_first_step()
        return to_pass

    def _use_batches(self):
        self.sample = sample_of_batches(self._stream.batches)
        if not self.record.structure:
            self._describe()
        try:
            self._record_data()
        except Exception:
            # A `train_step` of the user's own may take all of a batch as inputs.
            whole = sample_of_batches(self._stream.batches, as_inputs=True)
            if not has_own_step(self.model) or whole is None:
                raise
            taken, self.sample, self._forward = self.sample, whole, None
            try:
                self._record_data()
                return
            except Exception:
                self.sample = taken
            raise

    def _record_data(self):
        arrays = [array for _, array in named_inputs(self.sample.x)]
        self._set_budget(arrays)
        epochs = (self.record.structure.get("fit") or {}).get("epochs") or 1
        if self._forward is None or not self._forward.is_measured:
            self._forward = ForwardPass(self.model, often=epochs >= MANY_EPOCHS)
        try:
            self._runs_beside = self._may_run_beside()
            if self._runs_beside:
                predictions, masks = self._forward.begin(self._small_sample.x), []
            else:
                predictions, masks = self._predictions()
        except Exception:
            # Layers up to the one that fails were measured.
            self._runs_beside = False
            inputs = [input_facts(*item) for item in named_inputs(self.sample.x)]
            found = {"inputs": inputs, "layers": self._forward.layers, "outputs": []}
            self.record.structure = {**self.record.structure, "data": found}
            raise
        validation = validation_of(self._fit_arguments)
        if validation is not None:
            self._validation = validation.first_samples(self._small_sample.size)
        elements = self.sample.size * sum(array[0].size for array in arrays)
        self.budget.spent += PER_ELEMENT * elements
        facts = facts_of_inputs(self.sample, validation)
        if self._runs_beside:
            self._set_outputs(predictions, masks)
            facts |= facts_of_outputs(self.sample, self.outputs) | {"layers": {}}
            self.record.structure = {**self.record.structure, "data": facts}
        else:
            self._add_outputs(facts, predictions, masks)

    def _may_run_beside(self):
        """Return whether a model that takes long to compile may be run in a thread."""
        return bool(
            _backends.carries_state
            and self._fit_arguments
            # Later looks at more batches add to these facts.
            and self.record.structure.get("data") is None
            and len(self.model.weights) >= MANY_WEIGHTS
            and not self.model.run_eagerly
            and keras.distribution.distribution() is None
        )

    def await_outputs(self):
        """Record what the model returned beside the training."""
        if self._runs_beside:
            self._runs_beside = False
            self._try(self._take_outputs, "run the model on its data")

    def _take_outputs(self):
        self.budget.spent += self._small_sample.size * self.budget.per_sample
        facts = self.record.structure.get("data") or {}
        self._add_outputs(facts, *self._forward.finish())

    def _set_outputs(self, predictions, masks):
        self.outputs = outputs_of(
            self.model,
            self.record.structure.get("loss"),
            self.sample.y,
            predictions,
            self.sample.weights,
            masks,
        )

    def _add_outputs(self, facts, predictions, masks):
        """Record facts of the data, with those that come from the predictions."""
        self._set_outputs(predictions, masks)
        # With more batches of a stream, training has begun.
        first = (self.record.structure.get("data") or {}).get("layers")
        found = {
            **facts,
            **facts_of_outputs(self.sample, self.outputs),
            "scored": self._small_sample.size,
            "layers": first or copy.deepcopy(self._forward.layers),
            "added_losses": self._forward.added_losses,
        }
        arrays = [array for _, array in named_inputs(self.sample.x)]
        layers, budget = self._forward.layers, self.budget
        described = self.record.structure
        add_reachable(found, self.outputs, arrays, described, layers, budget)
        self._add_dependence(found)
        self.record.structure = {**described, "data": found}
        if not self.record.readings:
            values = self._scores_of(predictions) if self.outputs else {}
            self.record.add(Reading(self.epoch, 0, values))

    def _set_budget(self, arrays):
        """Choose how many samples to run the model on."""
        fit = self.record.structure.get("fit") or {}
        epochs = fit.get("epochs") or 1
        self.batch_size = fit.get("batch_size")
        if not self.batch_size and self._stream is not None:
            self.batch_size = self._stream.batch_size
        steps = fit.get("steps") or -(-self.sample.rows // (self.batch_size or 32))
        described = self.record.structure, arrays
        before = self.budget
        self.budget = WorkBudget(operations_of(*described), training_work(*described))
        if before is not None:
            # More batches of a stream were seen.
            self.budget.continue_from(before.to_dict())
        readings = min(epochs, 20) + 10 * np.log(max(epochs, 20) / 20)
        planned = epochs * steps * (self.batch_size or 32)
        size = self.budget.sample_size(planned, readings, FIRST_ROWS)
        self._small_sample = self.sample
        if not self.sample.whole:
            self._small_sample = self.sample.first_samples(size)

    def _add_dependence(self, found):
        """Add what outputs depend on, once."""
        if self._stream is not None and len(self._stream.batches) > 1:
            # It was found with the first batch of the stream.
            before = self.record.structure.get("data") or {}
            found["swapped"] = before.get("swapped")
            known = before.get("outputs") or []
            for facts, earlier in zip(found["outputs"], known, strict=False):
                facts["sees_later"] = earlier.get("sees_later")
            return
        samples = self.sample, self._small_sample
        add_dependence(found, self.outputs, *samples, self._forward, self.budget)

    def update(self):
        """Record what is found in further batches, and what runs beside the training.

        The data of `fit` are not read after that.
        """
        self.await_outputs()
        if self._stream is not None and len(self._stream.batches) > 1:
            self._try(self._use_batches, "run the model on its data")
        self.release()

    def scores(self):
        """Return the scores of the sample: statistic → output → number."""
        if not self.outputs:
            return {}
        work = self._small_sample.size * self.budget.per_sample
        if work > self.budget.left:
            self.budget.refused.add("scores of some epochs")
            return {}
        return self._scores_of(self._predictions()[0])

    def finish(self):
        """Measure, after the last epoch, what is measured once."""
        self._try(self._record_pairing, "permute the targets")
        self._try(self._record_numbering, "run the model on the validation data")

    def _record_pairing(self):
        """Record the loss with and without permuted targets, if it is the user's own.

        Of a loss that is known, the scores say as much.
        """
        judged = self.outputs and not any(
            output.task == "unknown" or output.guessed for output in self.outputs
        )
        if judged or self.outputs is None or self._small_sample is None:
            return
        for name, sample in (
            ("training", self._small_sample),
            ("validation", self._validation),
        ):
            if sample is None or not self._grants(3 * sample.size, "pairs"):
                continue
            found = paired_losses(self.model, sample)
            if found is None:
                continue
            data = self.record.structure.get("data") or {}
            self._add_facts(pairing={**(data.get("pairing") or {}), name: found})

    def _record_numbering(self):
        """Record whether predictions fit validation labels that are renumbered.

        Only where a model that knows its training data is far behind on these.
        """
        if not self.outputs or len(self.outputs) != 1 or self._validation is None:
            return
        [output], [last] = self.outputs, self.record.logs[-1:] or [{}]
        values = self.record.readings[-1].values
        known = values.get("sample_accuracy", {}).get(output.name, 0.0)
        names = [name for name in last if name.startswith("val_") and "acc" in name]
        far = names and last[names[0]] < known - FAR_BEHIND
        if output.task not in ("sparse", "categorical") or not far:
            return
        if not self._grants(self._validation.size, "validation labels"):
            return
        predicted = keras.tree.flatten(self._forward.run(self._validation.x)[0])
        self._add_facts(
            validation_scores=numbering_scores(
                keras.tree.flatten(self._validation.y)[0], predicted[0]
            )
        )

    def _add_facts(self, **facts):
        data = self.record.structure.get("data") or {}
        self.record.structure = {**self.record.structure, "data": {**data, **facts}}

    def _grants(self, samples, purpose):
        """Return whether the model may be run on so many more samples."""
        work = samples * self.budget.per_sample
        return self.budget.grants(work, purpose)

    def _predictions(self):
        """Run the model on the sample; return its outputs and their masks."""
        self.budget.spent += self._small_sample.size * self.budget.per_sample
        with warnings.catch_warnings():
            # Training itself gives the same warnings.
            warnings.simplefilter("ignore")
            return self._forward.run(self._small_sample.x)

    def _scores_of(self, predictions):
        found = {}
        leaves = keras.tree.flatten(predictions)
        for output, leaf in zip(self.outputs, leaves, strict=True):
            for name, value in output.scores(np.asarray(leaf, "float64")).items():
                found.setdefault(f"sample_{name}", {})[output.name] = value
        return found

    def _try(self, function, task):
        error = self._notes.attempt(function, task)
        if error is not None and self.strict and function == self._record_data:
            rule = "`data` must be inputs and targets that fit the model"
            raise ValueError(f"{rule}: {error}") from error
        return error

    def release(self):
        """Let go of the data of `fit`."""
        self._stream, self._fit_arguments = None, {}


def _symbol(leaf):
    """Return a symbolic tensor of the shape of an array or of its description."""
    dtype = keras.backend.standardize_dtype(leaf.dtype)
    return keras.KerasTensor(tuple(leaf.shape), dtype)


def _reference(thing):
    """Return a weak reference to a thing, or a function that returns it."""
    try:
        return weakref.ref(thing)
    except TypeError:
        return lambda: thing
