"""Which steps the doctor watches depends on counts alone, and few of a long run are."""

import math

import keras
import pytest

from kcomponents._recording.watch_plan import (
    AHEAD,
    COMPILING,
    COMPILING_FROZEN,
    COMPILING_VARIABLE,
    FIRST,
    LONG_COMPILING,
    PERIOD,
    PERIOD_OF_SHORT,
    RATES,
    RATES_OF_ACCELERATOR,
    REPAID,
    SHORT,
    STEP,
    WATCHING,
    WatchPlan,
    plan_of,
)
from kcomponents._recording.work_budget import PASSES, Work, WorkBudget

pytestmark = pytest.mark.any_backend
# Work of a step that is reckoned to take so many seconds.
SECONDS = 0.03
WORK = Work(0.0, (SECONDS - STEP) * RATES.others)
OF_SHORT = round(SHORT / SECONDS)
# One of so many of these steps is watched.
EACH = math.ceil(PERIOD * (1 + WATCHING / SECONDS))


def watched(plan, steps):
    """Return the numbers of the watched steps."""
    found = []
    for step in range(steps):
        if plan.is_due():
            found.append(step)
        plan.count()
    return found


def in_short(steps):
    return [s for s in range(steps) if s < FIRST or s % PERIOD_OF_SHORT == 0]


def test_of_a_short_run_the_first_steps_are_watched_and_some_of_the_others():
    for compiling in (0, LONG_COMPILING):
        plan = WatchPlan(WORK, OF_SHORT, compiling)
        assert watched(plan, OF_SHORT) == in_short(OF_SHORT)


def test_of_a_long_run_one_of_many_steps_is_watched():
    plan = WatchPlan(WORK, 10_000, 0)
    assert watched(plan, 10_000) == list(range(0, 10_000, EACH))


def test_of_short_steps_fewer_are_watched():
    each = math.ceil(PERIOD * (1 + WATCHING / STEP))
    plan = WatchPlan(Work(0.0, 0.0), 10_000, 0)
    assert watched(plan, 10_000) == list(range(0, 10_000, each))
    slow = WatchPlan(Work(0.0, 1e6 * RATES.others), 10_000, 0)
    assert watched(slow, 200) == [0, PERIOD + 1, 2 * PERIOD + 2, 3 * PERIOD + 3]


def test_where_steps_are_compiled_the_first_one_comes_when_that_is_little():
    plan = WatchPlan(WORK, 10_000, 1.5)
    first = round(REPAID * 1.5 / SECONDS)
    assert watched(plan, 10_000) == list(range(first, 10_000, EACH))


def test_short_runs_of_models_that_take_very_long_to_compile_are_not_watched():
    plan = WatchPlan(WORK, OF_SHORT, LONG_COMPILING + 0.1)
    assert watched(plan, OF_SHORT) == []


def test_short_runs_are_not_watched_where_little_of_what_is_compiled_is_trained():
    for trained, steps in ((3, in_short(OF_SHORT)), (2, [])):
        plan = WatchPlan(WORK, OF_SHORT, 2.5, trained)
        assert watched(plan, OF_SHORT) == steps
    head = keras.layers.Dense(2)
    below = [keras.layers.Dense(2, trainable=False) for _ in range(100)]
    for number, steps in ((5, in_short(OF_SHORT)), (100, [])):
        model = keras.Sequential([keras.Input((2,)), *below[:number], head])
        model.compile("sgd", "mse", jit_compile=True)
        plan = plan_of(model, {"steps": OF_SHORT}, WorkBudget(1, WORK), 1)
        assert watched(plan, OF_SHORT) == steps


def test_compiling_takes_longer_for_more_variables():
    stack = [keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(2)]
    stack[1].trainable = False
    model = keras.Sequential(stack)
    model.compile("sgd", "mse", jit_compile=True)
    plan = plan_of(model, {"steps": 10**9}, WorkBudget(1, WORK), 1)
    seconds = COMPILING + 2 * COMPILING_VARIABLE + 2 * COMPILING_FROZEN
    first = math.ceil(REPAID * seconds / SECONDS)
    assert watched(plan, first + 1) == [first]


def test_a_run_of_unknown_length_is_watched_as_a_short_one_while_it_is_one():
    plan = WatchPlan(WORK, None, 0)
    later = range(OF_SHORT, 500, EACH)
    assert watched(plan, 500) == [*in_short(OF_SHORT), *later]


def test_small_steps_count_as_what_a_step_takes_at_least():
    assert watched(WatchPlan(Work(0.0, 0.0), round(SHORT / STEP), 0), 40) == in_short(
        40
    )
    assert watched(WatchPlan(Work(0.0, 0.0), round(SHORT / STEP) + 1, 0), 40) == [0]


def test_an_accelerator_makes_more_operations_in_a_second():
    work = Work(*(rate * (SECONDS - STEP) / 3 for rate in RATES_OF_ACCELERATOR))
    plan = WatchPlan(work, OF_SHORT, 0, accelerator=True)
    assert watched(plan, OF_SHORT) == in_short(OF_SHORT)


def test_a_reading_changes_nothing_and_a_later_run_continues():
    plan, other = WatchPlan(WORK, 1000, 0), WatchPlan(WORK, 1000, 0)
    before = watched(plan, 10)
    plan.reset()
    other.set_state(plan.get_state())
    assert before == [0]
    assert watched(plan, 100) == watched(other, 100) == [EACH - 10]


def test_elements_that_are_written_take_time_too():
    work = Work(
        0.0, RATES.others * (SECONDS - STEP) / 2, RATES.written * (SECONDS - STEP) / 2
    )
    assert watched(WatchPlan(work, OF_SHORT, 0), OF_SHORT) == in_short(OF_SHORT)
    assert watched(WatchPlan(work, OF_SHORT + 1, 0), OF_SHORT) == [0]


def test_devices_are_faster_where_whole_samples_are_multiplied():
    plan = WatchPlan(Work((SECONDS - STEP) * RATES.dense, 0.0), OF_SHORT, 0)
    assert watched(plan, OF_SHORT) == in_short(OF_SHORT)
    plan = WatchPlan(Work((SECONDS - STEP) * RATES.dense, 0.0), OF_SHORT + 1, 0)
    assert watched(plan, OF_SHORT + 1) == [0]


def test_a_step_takes_the_work_of_all_its_samples():
    stack = [keras.Input((5,)), keras.layers.Dense(2, use_bias=False)]
    model = keras.Sequential(stack)
    model.compile("sgd", "mse", run_eagerly=True)

    of_sample = Work((SECONDS - STEP) * RATES.dense / 8, 0.0)
    for steps, expected in ((OF_SHORT, in_short(OF_SHORT)), (OF_SHORT + 1, [0])):
        plan = plan_of(model, {"steps": steps}, WorkBudget(1, of_sample), 8)
        assert watched(plan, OF_SHORT + 1)[: len(expected)] == expected
    # Without a look at the data, each weight counts twice.
    steps = math.floor(SHORT / (32 * PASSES * 2 * 5 * 2 / RATES.dense + STEP))
    plan = plan_of(model, {"steps": steps}, None, None)
    assert watched(plan, steps) == in_short(steps)


def test_compiling_begins_some_steps_before_the_first_watched_one():
    plan, near = WatchPlan(WORK, 10_000, 1.5), []
    for step in range(10_000):
        near += [step] * plan.is_near()
        plan.count()
    assert near == [round((REPAID - AHEAD) * 1.5 / SECONDS)]
    assert not WatchPlan(WORK, 10_000, 0).is_near()
    assert not WatchPlan(WORK, OF_SHORT, 1.5).is_near()


def test_nothing_has_to_be_prepared_before_a_plan_begins():
    assert WatchPlan(WORK, OF_SHORT, 1.5).begins_by(1)
    assert WatchPlan(WORK, 10_000, 0).begins_by(1)
    near = round((REPAID - AHEAD) * 1.5 / SECONDS)
    plan = WatchPlan(WORK, 10_000, 1.5)
    assert not plan.begins_by(near) and plan.begins_by(near + 1)
