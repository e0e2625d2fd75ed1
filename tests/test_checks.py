"""The argument checks: what passes, and what the message says."""

import math

import numpy as np
import pytest

from kcomponents import _checks

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_whole_numbers_above_zero_pass_as_ints(value):
    checked = _checks.positive_int("units", value)
    assert checked == value and type(checked) is int


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True, None, math.nan])
def test_other_counts_are_refused(value):
    with pytest.raises(ValueError, match="`units` must be a positive integer. Rec"):
        _checks.positive_int("units", value)


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.5)])
def test_numbers_in_the_range_pass_as_floats(value):
    checked = _checks.number("rate", value, 0, 1)
    assert checked == value and type(checked) is float


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, True, "0.5", None])
def test_numbers_out_of_the_range_are_refused(value):
    rule = "`rate` must be a finite number, at least 0 and at most 1. Received: rate="
    with pytest.raises(ValueError, match=rule):
        _checks.number("rate", value, 0, 1)


def test_a_range_may_leave_its_lower_end_out():
    assert _checks.number("bound", 1e-9, 0, open_low=True) == 1e-9
    with pytest.raises(ValueError, match="a finite number, above 0. Received: bound=0"):
        _checks.number("bound", 0, 0, open_low=True)


def test_a_number_without_a_range_must_only_be_finite():
    with pytest.raises(ValueError, match="`gain` must be a finite number. Received"):
        _checks.number("gain", math.inf)


def test_an_unknown_word_is_answered_with_the_nearest():
    assert _checks.one_of("mode", "rows", ["rows", "columns"]) == "rows"
    with pytest.raises(ValueError, match="one of 'rows'\\? Received: mode='row'"):
        _checks.one_of("mode", "row", ["rows", "columns"])


@pytest.mark.parametrize("value", ["qqq", "", 3, None, ["rows"]])
def test_a_word_that_is_near_to_none_is_answered_with_all(value):
    rule = r"`mode` is unknown. Use one of 'rows', 'columns'\. Received: mode="
    with pytest.raises(ValueError, match=rule):
        _checks.one_of("mode", value, ["rows", "columns"])


def test_an_axis_is_counted_from_the_front():
    assert [_checks.axis_in("axis", a, 3) for a in (-3, -1, 0, 2)] == [0, 2, 0, 2]


@pytest.mark.parametrize("axis", [-4, 3, 1.0, "1", True, None])
def test_an_axis_out_of_range_is_refused(axis):
    with pytest.raises(ValueError, match=r"integer in \[-3, 3\). Received: axis="):
        _checks.axis_in("axis", axis, 3)
