"""Which steps the doctor watches depends on counts alone, and few of a long run are."""

import keras
import pytest

from kcomponents._recording.watch_plan import (
    AHEAD,
    COMPILING,
    COMPILING_VARIABLE,
    FEW,
    FIRST,
    PERIOD,
    RATE,
    RATE_OF_ACCELERATOR,
    REPAID,
    SHORT,
    STEP,
    WatchPlan,
    operations_of_step,
)
from kcomponents._recording.work_budget import PASSES, WorkBudget

pytestmark = pytest.mark.any_backend
# A step that is reckoned to take a tenth of a second.
TENTH = (0.1 - STEP) * RATE
OF_SHORT = round(SHORT / 0.1)


def watched(plan, steps):
    """Return the numbers of the watched steps."""
    found = []
    for step in range(steps):
        if plan.is_due():
            found.append(step)
        plan.count()
    return found


def in_short(steps):
    return [s for s in range(steps) if s < FIRST or s % FEW == 0]


def test_of_a_short_run_the_first_steps_are_watched_and_some_of_the_others():
    for variables in (0, 10):
        plan = WatchPlan(TENTH, OF_SHORT, variables)
        assert watched(plan, OF_SHORT) == in_short(OF_SHORT)


def test_of_a_long_run_one_of_many_steps_is_watched():
    plan = WatchPlan(TENTH, 10_000, 0)
    assert watched(plan, 10_000) == list(range(0, 10_000, PERIOD))


def test_where_steps_are_compiled_the_first_one_comes_when_that_is_little():
    plan = WatchPlan(TENTH, 10_000, 10)
    first = round(REPAID * (COMPILING + 10 * COMPILING_VARIABLE) / 0.1)
    assert watched(plan, 10_000) == list(range(first, 10_000, PERIOD))


def test_a_run_of_unknown_length_is_watched_as_a_short_one_while_it_is_one():
    plan = WatchPlan(TENTH, None, 0)
    later = range(OF_SHORT, 500, PERIOD)
    assert watched(plan, 500) == [*in_short(OF_SHORT), *later]


def test_small_steps_count_as_what_a_step_takes_at_least():
    assert watched(WatchPlan(0, round(SHORT / STEP), 0), 40) == in_short(40)
    assert watched(WatchPlan(0, round(SHORT / STEP) + 1, 0), 40) == [0]


def test_an_accelerator_makes_more_operations_in_a_second():
    work = (0.1 - STEP) * RATE_OF_ACCELERATOR
    plan = WatchPlan(work, OF_SHORT, 0, accelerator=True)
    assert watched(plan, OF_SHORT) == in_short(OF_SHORT)


def test_a_reading_changes_nothing_and_a_later_run_continues():
    plan, other = WatchPlan(TENTH, 1000, 0), WatchPlan(TENTH, 1000, 0)
    before = watched(plan, 10)
    plan.reset()
    other.set_state(plan.get_state())
    assert before == [0]
    assert watched(plan, 100) == watched(other, 100) == [PERIOD - 10]


def test_a_step_takes_the_passes_of_all_its_samples():
    kernel = keras.Variable([[0.0] * 5] * 2)
    assert operations_of_step(WorkBudget(7), 8, [kernel]) == PASSES * 7 * 8
    # Without a look at the data, each weight counts twice.
    assert operations_of_step(None, None, [kernel]) == PASSES * 20 * 32


def test_compiling_begins_some_steps_before_the_first_watched_one():
    plan = WatchPlan(TENTH, 10_000, 10)
    compiling = (COMPILING + 10 * COMPILING_VARIABLE) / 0.1
    near = []
    for step in range(10_000):
        near += [step] * plan.is_near()
        plan.count()
    assert near == [round((REPAID - AHEAD) * compiling)]
    assert not WatchPlan(TENTH, 10_000, 0).is_near()
    assert not WatchPlan(TENTH, OF_SHORT, 10).is_near()
