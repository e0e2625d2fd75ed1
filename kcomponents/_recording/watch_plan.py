"""Watch plan: which steps of a `fit` the doctor watches from inside."""

import math
import operator

from kcomponents import _backends
from kcomponents._recording.work_budget import PASSES, Work

# What a fast device does in a second, about: operations of each kind, and elements that
# it writes. Seconds are reckoned with these, as measured ones would let two runs of one
# program differ.
RATES = Work(dense=2e11, others=5e10, written=1e9)
RATES_OF_ACCELERATOR = Work(dense=5e12, others=5e12, written=2e11)
# Seconds that a step takes at least, and that compiling a step takes: in any case, for
# each variable that is trained, and for each frozen one.
STEP, COMPILING, COMPILING_VARIABLE, COMPILING_FROZEN = 5e-4, 0.5, 0.1, 0.02
# Of runs of up to so many seconds, so many first steps are watched, and one of so many
# later ones, unless compiling takes longer than so many seconds, or than as many as
# variables are trained: of a large frozen network, this costs much and shows little.
SHORT, FIRST, PERIOD_OF_SHORT, LONG_COMPILING = 0.75, 16, 16, 10.0
# Of other runs, one of so many steps is watched, and the first one when training has
# taken so many times as long as compiling will. To watch a step takes as long as the
# step and so many seconds, so of short steps fewer are watched.
PERIOD, REPAID, WATCHING = 64, 30, 2e-3
# Where a step can be compiled beside training, it begins so many times that earlier.
AHEAD = 4


class WatchPlan:
    """Chooses the steps of a `fit` that the doctor watches.

    Of a short run, more steps are watched. In a long one, watching must not be felt:
    at most one of `PERIOD` steps is watched, and where a step is compiled for that, the
    first one comes late enough. The choice depends on counts alone, so that two runs of
    one program are watched in the same steps.

    Args:
        work: `Work` of a training step.
        steps: Integer, the number of steps of the `fit`, or `None` if it is unknown.
        compiling: Seconds that compiling a watched step is reckoned to take, or 0 if
            none is compiled.
        trained: Integer, the number of variables that are trained, or `None` if it is
            unknown. Defaults to `None`.
        accelerator: Boolean, whether training runs on a GPU or TPU. Defaults to
            `False`.
    """

    def __init__(self, work, steps, compiling, trained=None, accelerator=False):
        rates = RATES_OF_ACCELERATOR if accelerator else RATES
        of_step = STEP + sum(map(operator.truediv, work, rates))
        longest = LONG_COMPILING if trained is None else min(LONG_COMPILING, trained)
        of_short = math.ceil(SHORT / of_step) if compiling <= longest else 0
        if steps is None:
            # Watched like a short run as long as it may be one.
            self._short = of_short
        else:
            self._short = steps if steps <= of_short else 0
        self._first = max(self._short, math.ceil(REPAID * compiling / of_step))
        self._near = self._first - math.ceil(AHEAD * compiling / of_step)
        self._period = math.ceil(PERIOD * (1 + WATCHING / of_step))
        self._calls = 0

    def is_due(self):
        """Return whether to watch the next step."""
        if self._calls < self._short:
            return self._calls < FIRST or self._calls % PERIOD_OF_SHORT == 0
        late = self._calls - self._first
        return late >= 0 and late % self._period == 0

    def is_near(self):
        """Return whether to compile now, beside training, for a later step."""
        return self._short <= self._near == self._calls < self._first

    def begins_by(self, calls):
        """Return whether watching, or compiling for it, begins within so many steps.

        Args:
            calls: Integer, calls of the train function from the start of the `fit` on.
        """
        if self._short:
            return True
        first = self._near if 0 <= self._near else self._first
        return first < calls

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
    trained = model.trainable_variables
    compiles = model.jit_compile or not _backends.defers
    compiling = COMPILING + COMPILING_VARIABLE * len(trained)
    compiling += COMPILING_FROZEN * (len(model.weights) - len(trained))
    samples = of_execution * (batch_size or 32)
    return WatchPlan(
        Work(*(samples * part for part in _work_of_sample(budget, trained))),
        executions,
        compiling if compiles and not model.run_eagerly else 0.0,
        trained=len(trained),
        accelerator=_backends.has_accelerator(),
    )


def _work_of_sample(budget, variables):
    """Return about what `Work` it is to train on a sample."""
    if budget is not None:
        return budget.training
    # Without a look at the data, each weight counts twice.
    return Work(
        PASSES * 2 * sum(math.prod(variable.shape) for variable in variables), 0
    )
