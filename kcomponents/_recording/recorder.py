"""Recorder: writes what it measures during one `fit` to a record."""

from kcomponents import _backends
from kcomponents._keras.optimizers import iterations_of
from kcomponents._recording.data_facts import DataFacts
from kcomponents._recording.notes import Notes, reason_of
from kcomponents._recording.step_watch import StepWatch
from kcomponents._recording.weight_motion import WeightMotion
from kcomponents.probes.structure import is_built
from kcomponents.record import Reading


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
        self.model, self.record, self.notes = model, record, Notes()
        self._data = data
        # The arguments of `DataFacts` besides.
        self._options = {
            "epoch": epoch,
            "before_first_step": before_first_step,
            "strict": strict,
        }
        # What is known of the data, what measures inside of steps, and how far weights
        # have moved; None until `start`, or if it is not measured.
        self._facts = self._watch = self._motion = None
        self._steps_before = self._steps_counted = 0
        self._work_before = None

    def start(self, fit_arguments, tapped=True, before=None):
        """Record the facts before training and, if `tapped`, attach a probe.

        Args:
            fit_arguments: Dict, the local variables of the running `fit`.
            tapped: Boolean, whether to measure inside the training step. Defaults to
                `True`.
            before: Recorder of an earlier `fit` of the same model. Defaults to `None`.
        """
        facts = self._facts = DataFacts(
            self.model,
            self.record,
            self.notes,
            fit_arguments,
            self._data,
            **self._options,
        )
        if before is not None:
            before.await_outputs()
        if before is not None and before._facts.hold_for(facts):
            facts.take_over(before._facts)
        else:
            facts.start()
        self._motion = None if before is None else before._motion
        if fit_arguments and self._motion is None:
            self.notes.attempt(self._watch_motion, "compare the weights")
        if tapped and facts.fails_to_build:
            # Its first batch will give the model more weights, and the optimizer must
            # not be built for those that it has.
            text = "The model is not built yet, so its steps are not measured."
            self.notes.append(text)
        elif tapped:
            self._watch = StepWatch(self.model, self.notes)
            fit = self.record.structure.get("fit") or {}
            self._watch.start(fit, facts.budget, facts.batch_size)
        self._steps_before = iterations_of(self.model)

    def record_epoch(self, epoch, measure=None):
        """Record the measurements since the last call, and the scores of the sample.

        Args:
            epoch: Integer, the number of the epoch, counted from 0.
            measure: Function of the sample that returns more values for the reading:
                statistic → name → number. Defaults to `None`.
        """
        self._facts.update()
        values = {} if self._watch is None else self._watch.read()
        step = max(iterations_of(self.model) - self._steps_before, 0)
        self._count_training(step, values)
        self.notes.attempt(
            lambda: values.update(self.scores()), "run the model on its data"
        )
        if self._motion is not None:
            _backends.synchronize(self.model)
            values["moved"] = self._motion.read()
        if measure is not None:
            values.update(measure(self._facts.sample))
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
        facts = self._facts
        if facts.budget is None:
            return
        batches = values.get("batches", {}).get("all") or step - self._steps_counted
        self._steps_counted = step
        facts.budget.add_training(max(batches, 0) * (facts.batch_size or 1))

    def finish(self):
        """Measure, after the last epoch, what is measured once."""
        self._facts.finish()

    def await_outputs(self):
        """Record what the model returned beside the training."""
        if self._facts is not None:
            self._facts.await_outputs()

    def scores(self):
        """Return the scores of the sample: statistic → output → number."""
        return self._facts.scores()

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
        if self._facts is not None:
            self._facts.release()

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
        budget = self._budget
        return self._work_before if budget is None else budget.to_dict()

    @property
    def _budget(self):
        return None if self._facts is None else self._facts.budget

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
        if self._budget is not None and state["work"] is not None:
            self._budget.continue_from(state["work"])
        self.notes[:] = [*state["notes"]]

    def _watch_motion(self):
        _backends.synchronize(self.model)
        if is_built(self.model):
            self._motion = WeightMotion(self.model)
