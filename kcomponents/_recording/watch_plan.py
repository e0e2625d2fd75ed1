"""Watch plan: which steps of a `fit` the doctor watches from inside."""

import math

from kcomponents import _backends
from kcomponents._recording.work_budget import PASSES

# Operations that a device makes in a second, about: what seconds are reckoned with, as
# measured ones would let two runs of one program differ.
RATE, RATE_OF_ACCELERATOR = 2e10, 5e12
# Seconds that a step takes at least, and that compiling a step takes: in any case, and
# for each variable that is trained.
STEP, COMPILING, COMPILING_VARIABLE = 1e-3, 0.5, 0.1
# Of runs of up to so many seconds, the first steps are watched, and one of a few later
# ones.
SHORT, FIRST, FEW = 3.0, 16, 4
# Of other runs, one of so many steps is watched, and the first one when training has
# taken so many times as long as compiling will.
PERIOD, REPAID = 64, 30
# Where a step can be compiled beside training, it begins so many times that earlier.
AHEAD = 4


class WatchPlan:
    """Chooses the steps of a `fit` that the doctor watches.

    Of a short run, many steps are watched. In a long one, watching must not be felt:
    one of `PERIOD` steps is watched, and where a step is compiled for that, the first
    one comes late enough. The choice depends on counts alone, so that two runs of one
    program are watched in the same steps.

    Args:
        operations: Number of operations of a training step.
        steps: Integer, the number of steps of the `fit`, or `None` if it is unknown.
        variables: Integer, the number of trained variables, or 0 if watched steps are
            not compiled.
        accelerator: Boolean, whether training runs on a GPU or TPU. Defaults to
            `False`.
    """

    def __init__(self, operations, steps, variables, accelerator=False):
        rate = RATE_OF_ACCELERATOR if accelerator else RATE
        of_step = operations / rate + STEP
        of_short = math.ceil(SHORT / of_step)
        if steps is None:
            # Watched like a short run as long as it may be one.
            self._short = of_short
        else:
            self._short = steps if steps <= of_short else 0
        compiling = COMPILING + COMPILING_VARIABLE * variables if variables else 0.0
        self._first = max(self._short, math.ceil(REPAID * compiling / of_step))
        self._near = self._first - math.ceil(AHEAD * compiling / of_step)
        self._calls = 0

    def is_due(self):
        """Return whether to watch the next step."""
        if self._calls < self._short:
            return self._calls < FIRST or self._calls % FEW == 0
        late = self._calls - self._first
        return late >= 0 and late % PERIOD == 0

    def is_near(self):
        """Return whether to compile now, beside training, for a later step."""
        return self._short <= self._near == self._calls < self._first

    def count(self):
        """Count one step, watched or not."""
        self._calls += 1

    def reset(self):
        """Do nothing: the plan is of the whole `fit`."""

    def get_state(self):
        """Return the number of steps so far."""
        return self._calls

    def set_state(self, state):
        """Continue after so many steps."""
        self._calls = int(state)


def plan_of(model, fit, budget, batch_size):
    """Return the plan of a `fit`.

    Args:
        model: Keras model, compiled and built.
        fit: Dict of the facts of the `fit`.
        budget: `WorkBudget`, or None if the data could not be looked at.
        batch_size: Integer, or None if it is unknown.
    """
    of_execution, steps = model.steps_per_execution, fit.get("steps")
    executions = steps and math.ceil(steps / of_execution) * (fit.get("epochs") or 1)
    variables = model.trainable_variables
    compiles = model.jit_compile or not _backends.defers
    return WatchPlan(
        operations_of_step(budget, batch_size, variables) * of_execution,
        executions,
        len(variables) if compiles and not model.run_eagerly else 0,
        accelerator=_backends.has_accelerator(),
    )


def operations_of_step(budget, batch_size, variables):
    """Return about how many operations a training step takes.

    Args:
        budget: `WorkBudget`, or None if the data could not be looked at.
        batch_size: Integer, or None if it is unknown.
        variables: List of the variables that are trained.
    """
    of_sample = 2 * sum(math.prod(variable.shape) for variable in variables)
    if budget is not None:
        of_sample = budget.per_sample
    return PASSES * of_sample * (batch_size or 32)
