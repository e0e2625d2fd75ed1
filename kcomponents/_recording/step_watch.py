"""Step watch: what is measured inside of some steps of a `fit`."""

import keras

from kcomponents import _backends, _keras
from kcomponents._recording.step_statistics import (
    OF_GRADIENTS,
    OF_LOSS,
    OF_OPTIMIZER,
    OF_OUTPUTS,
    is_watched,
    summary,
)
from kcomponents._recording.watch_plan import plan_of
from kcomponents.probes import Probe

TASK = "measure inside the training step"
OTHER_OPTIMIZERS = (
    "The optimizer of `compile` got no gradients: a `train_step` uses others, so "
    "gradients and updates were not measured."
)
UNWATCHED = (
    "No step was watched from inside, so gradients, updates and units were not "
    "measured: the training was too short for that to be cheap."
)


class StepWatch:
    """Measures inside of those steps that a `WatchPlan` chooses.

    The model is left alone up to the epoch of the first of them. Errors become notes.

    Args:
        model: Keras model, built.
        notes: `Notes` to add to.
    """

    def __init__(self, model, notes):
        self._model, self._notes = model, notes
        # What measures, and before that the plan of which steps it will.
        self._probe = self._plan = None
        # The calls of the train function in each epoch, None if that is not known, and
        # those up to this epoch and up to the last reading.
        self._calls_per_epoch, self._calls, self._calls_read = None, 0, 0
        # Whether steps were watched, None before the first reading.
        self._has_watched = None

    @property
    def is_attached(self):
        """Whether the model is prepared for steps that are watched."""
        return self._probe is not None

    def start(self, fit, budget, batch_size):
        """Choose the steps; prepare them now, or not before they are needed.

        Args:
            fit: Dict of the facts of the `fit`.
            budget: `WorkBudget`, or None if the data could not be looked at.
            batch_size: Integer, or None if it is unknown.
        """
        self._plan = plan_of(self._model, fit, budget, batch_size)
        if steps := fit.get("steps"):
            self._calls_per_epoch = -(-steps // self._model.steps_per_execution)
        self.begin_epoch()

    def begin_epoch(self):
        """Prepare to watch steps of this epoch, if some are to be watched."""
        if self._plan is None:
            return
        known = self._calls_per_epoch is not None
        if not known or self._plan.begins_by(self._calls + self._calls_per_epoch):
            self._notes.attempt(self._attach, TASK)

    def end_epoch(self):
        """Count the steps of an epoch of which none was watched."""
        if self._plan is not None:
            self._calls += self._calls_per_epoch

    def _attach(self):
        plan, self._plan = self._plan, None
        plan.set_state(self._calls)
        _backends.synchronize(self._model)
        statistics = [*OF_OUTPUTS]
        if _keras.unscaled_optimizer(self._model) is not None:
            statistics += OF_OPTIMIZER
        if not (has_own_step(self._model) and _backends.carries_state):
            # On JAX, a custom `train_step` may hide its loss.
            statistics += OF_LOSS
        probe = Probe(*statistics, watch=is_watched, sample=plan)
        probe.attach(self._model)
        probe.calls = self._calls - self._calls_read
        self._probe = probe

    def read(self):
        """Return what was measured since the last reading: statistic → name → value."""
        probe = self._probe
        if probe is not None:
            calls, watched = probe.calls, probe.watched
        else:
            # Steps before those of the plan; if the probe cannot be attached, there
            # are no more of them.
            calls, watched = self._calls - self._calls_read, 0
            self._calls_read = self._calls
        if not calls:
            return {}
        seen = {"batches": {"all": calls * self._model.steps_per_execution}}
        self._has_watched = bool(watched or self._has_watched)
        if not watched:
            if probe is not None:
                probe.calls = 0
            return seen
        reading = probe.read()
        probe.reset()
        values = summary(reading, probe.sites, probe.last_layers) | seen
        steps = values.get("steps", {"all": 1})["all"]
        variables = probe.variables
        if variables and (steps or probe.optimizer_used):
            return values
        if variables:
            self._notes.append(OTHER_OPTIMIZERS)
        return {name: v for name, v in values.items() if name not in OF_GRADIENTS}

    def stop(self):
        """Leave the model alone, and note if no step was watched."""
        if self._has_watched is False:
            self._notes.append(UNWATCHED)
        if self._probe is not None:
            self._probe.detach()
        self._probe = self._plan = None

    def get_state(self):
        """Return what was measured since the last reading, to continue from later."""
        return {
            "probe": None if self._probe is None else self._probe.get_state(),
            "calls": [self._calls, self._calls_read],
            "has_watched": self._has_watched,
        }

    def set_state(self, state):
        """Continue from a state that `get_state` returned, during training.

        Raises:
            ValueError: If the state is of another model.
        """
        self._calls, self._calls_read = map(int, state["calls"])
        self._has_watched = state["has_watched"]
        if state["probe"] is None:
            return
        if self._plan is not None:
            self._notes.attempt(self._attach, TASK)
        if self._probe is not None:
            self._probe.set_state(state["probe"])


def has_own_step(model):
    """Return whether the class of a model defines its `train_step`."""
    return type(model).train_step is not keras.Model.train_step
