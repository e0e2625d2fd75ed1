"""Recorder: writes what it measures during one `fit` to a record."""

import copy
import warnings
import weakref

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._keras.optimizers import iterations_of
from kcomponents._recording.forward_pass import ForwardPass
from kcomponents._recording.learnability import add_dependence, add_reachable
from kcomponents._recording.notes import Notes, reason_of
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
from kcomponents._recording.step_watch import StepWatch, has_own_step
from kcomponents._recording.stream import Stream, first_rows
from kcomponents._recording.weight_motion import WeightMotion
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
        self.sample = self.outputs = self.budget = None
        # Of data that are no arrays, the batches that are kept.
        self._data, self._stream = data, None
        # The part of the sample that the model is run on, and what runs it.
        self._small_sample = self._forward = self._validation = None
        self._motion, self._batch_size = None, None
        # Whether the model is running on the sample beside the training.
        self._runs_beside = False
        # What measures inside of steps, if something does.
        self._watch = None
        self._steps_before = self._steps_counted = 0
        self._fails_to_build = False
        self._work_before = None

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
        if before is not None:
            before.await_outputs()
        if before is not None and before.is_valid_for(self):
            self.sample, self.outputs = before.sample, before.outputs
            self._small_sample, self._forward = before._small_sample, before._forward
            self.budget, self._validation = before.budget, before._validation
            self._batch_size = before._batch_size
        else:
            self._record_facts(*xy)
        self._motion = None if before is None else before._motion
        if fit_arguments and self._motion is None:
            self._try(self._watch_motion, "compare the weights")
        if tapped and not self._is_half_built():
            self._watch = StepWatch(self.model, self.notes)
            fit = self.record.structure.get("fit") or {}
            self._watch.start(fit, self.budget, self._batch_size)
        self._steps_before = iterations_of(self.model)

    def record_epoch(self, epoch, measure=None):
        """Record the measurements since the last call, and the scores of the sample.

        Args:
            epoch: Integer, the number of the epoch, counted from 0.
            measure: Function of the sample that returns more values for the reading:
                statistic → name → number. Defaults to `None`.
        """
        self.await_outputs()
        if self._stream is not None and len(self._stream.batches) > 1:
            self._try(self._use_batches, "run the model on its data")
        self._release_data()
        values = {} if self._watch is None else self._watch.read()
        step = max(iterations_of(self.model) - self._steps_before, 0)
        self._count_training(step, values)
        self._try(lambda: values.update(self.scores()), "run the model on its data")
        if self._motion is not None:
            _backends.synchronize(self.model)
            values["moved"] = self._motion.read()
        if measure is not None:
            values.update(measure(self.sample))
        self.record.add(Reading(epoch, step, values))

    def begin_epoch(self):
        """Prepare to watch steps of this epoch, if some are to be watched."""
        if self._watch is not None:
            self._watch.begin_epoch()

    def end_epoch(self):
        """Count the steps of an epoch."""
        if self._watch is not None:
            self._watch.end_epoch()

    def _count_training(self, step, values):
        """Count the work of training since the last reading."""
        if self.budget is None:
            return
        batches = values.get("batches", {}).get("all") or step - self._steps_counted
        self._steps_counted = step
        self.budget.add_training(max(batches, 0) * (self._batch_size or 1))

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

    def _add_facts(self, **facts):
        data = self.record.structure.get("data") or {}
        self.record.structure = {**self.record.structure, "data": {**data, **facts}}

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

    def stop(self, error=None):
        """Detach the probe, and add the notes and what ended `fit` to the record.

        Args:
            error: The exception that ended `fit`, or None. Defaults to `None`.
        """
        self.await_outputs()
        found = {}
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if error is not None:
            found["ended"] = {"class": type(error).__name__, "reason": reason_of(error)}
        if self.notes:
            found["notes"] = list(dict.fromkeys(self.notes))
        if (work := self._work()) is not None:
            found["work"] = work
        if found:
            self.record.structure |= found
        self._release_data()

    def _release_data(self):
        """Let go of the data of `fit`, which is not read after its first batches."""
        self._stream, self._fit_arguments = None, {}

    def get_state(self):
        """Return what was measured since the last reading, to continue from later."""
        return {
            "steps_before": self._steps_before,
            "notes": list(self.notes),
            "watch": None if self._watch is None else self._watch.get_state(),
            "steps_counted": self._steps_counted,
            "start": None if self._motion is None else self._motion.start,
            "work": self._work(),
        }

    def _work(self):
        """Return the counts of work; a run that had ended before reads no data."""
        return self._work_before if self.budget is None else self.budget.to_dict()

    def set_state(self, state):
        """Continue from a state that `get_state` returned, during training.

        Raises:
            ValueError: If the state is of another model.
        """
        if self._watch is not None and state["watch"] is not None:
            self._watch.set_state(state["watch"])
        self._steps_before = int(state["steps_before"])
        self._steps_counted = int(state["steps_counted"])
        if self._motion is not None and state["start"] is not None:
            self._motion.start = [*state["start"]]
        self._work_before = state["work"]
        if self.budget is not None and state["work"] is not None:
            self.budget.continue_from(state["work"])
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
        arguments = self._fit_arguments
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
            self._fails_to_build = True
            x = keras.utils.unpack_x_y_sample_weight(batch)[0]
            self.model(keras.tree.map_structure(_symbol, x))
            if unbuilt := layers_without_weights(self.model):
                raise ValueError(f"a call does not build {', '.join(unbuilt)}.")
            # Keras also builds the optimizer, so the model must have all weights.
            _keras.build_metrics(self.model, batch)
            self._fails_to_build = False

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
            taken, self.sample = self.sample, whole
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
        self._batch_size = fit.get("batch_size")
        if not self._batch_size and self._stream is not None:
            self._batch_size = self._stream.batch_size
        steps = fit.get("steps") or -(-self.sample.rows // (self._batch_size or 32))
        described = self.record.structure, arrays
        before = self.budget
        self.budget = WorkBudget(operations_of(*described), training_work(*described))
        if before is not None:
            # More batches of a stream were seen.
            self.budget.continue_from(before.to_dict())
        readings = min(epochs, 20) + 10 * np.log(max(epochs, 20) / 20)
        planned = epochs * steps * (self._batch_size or 32)
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

    def scores(self):
        """Return the scores of the sample: statistic → output → number."""
        if not self.outputs:
            return {}
        work = self._small_sample.size * self.budget.per_sample
        if work > self.budget.left:
            self.budget.refused.add("scores of some epochs")
            return {}
        return self._scores_of(self._predictions()[0])

    def _scores_of(self, predictions):
        found = {}
        leaves = keras.tree.flatten(predictions)
        for output, leaf in zip(self.outputs, leaves, strict=True):
            for name, value in output.scores(np.asarray(leaf, "float64")).items():
                found.setdefault(f"sample_{name}", {})[output.name] = value
        return found

    def _watch_motion(self):
        _backends.synchronize(self.model)
        if is_built(self.model):
            self._motion = WeightMotion(self.model)

    def _is_half_built(self):
        """Return whether its first batch will give the model more weights.

        The optimizer must not be built for the weights of now.
        """
        if self._fails_to_build:
            text = "The model is not built yet, so its steps are not measured."
            self.notes.append(text)
        return self._fails_to_build

    def _try(self, function, task):
        error = self.notes.attempt(function, task)
        if error is not None and self.strict and function == self._record_data:
            rule = "`data` must be inputs and targets that fit the model"
            raise ValueError(f"{rule}: {error}") from error
        return error


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
