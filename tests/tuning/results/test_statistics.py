"""Statistics of scores: Student's t, Welch's interval, quartiles."""

import math

import numpy
import pytest

from kcomponents.tuning._results.statistics import (
    Gain,
    quartiles,
    t_quantile,
    welch_interval,
)

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    ("freedom", "expected"),
    # From a printed table of Student's t, two-sided, 95%.
    [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)],
)
def test_quantiles_are_those_of_student(freedom, expected):
    assert t_quantile(freedom) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("freedom", [1, 1.05, 1.3, 2, 2.7, 5, 30, 300, 9999.5])
def test_95_percent_of_student_lies_between_the_quantiles(freedom):
    stats = pytest.importorskip("scipy.stats")
    t = t_quantile(freedom)
    inside = stats.t.cdf(t, freedom) - stats.t.cdf(-t, freedom)
    assert inside == pytest.approx(0.95, rel=1e-9)


def test_quantiles_end_at_those_of_the_normal_distribution():
    assert t_quantile(1e12) == pytest.approx(1.959963985, rel=1e-9)


def test_one_degree_of_freedom_is_the_distribution_of_cauchy():
    assert t_quantile(1) == pytest.approx(math.tan(0.475 * math.pi))


@pytest.mark.parametrize("sizes", [(2, 2), (2, 9), (5, 3)])
def test_the_interval_is_that_of_welch(sizes):
    stats = pytest.importorskip("scipy.stats")
    draw = numpy.random.default_rng(3).normal
    first, second = draw(1.0, 0.1, sizes[0]).tolist(), draw(0.9, 0.3, sizes[1]).tolist()
    test = stats.ttest_ind(first, second, equal_var=False)
    expected = test.confidence_interval(0.95)
    found = welch_interval(first, second)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize("first", [[0.5], [0.5, 0.5], []])
def test_without_a_spread_there_is_no_interval(first):
    assert welch_interval(first, [0.4, 0.4, 0.4]) is None


def test_quartiles_are_those_of_numpy():
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def test_equal_scores_of_one_side_only_leave_an_interval():
    low, high = welch_interval([0.5, 0.5], [0.3, 0.4, 0.5])
    assert low < 0.1 < high


@pytest.mark.parametrize(
    ("interval", "is_significant"),
    [(None, False), ((0.1, 0.2), True), ((-0.2, -0.1), True), ((0.0, 0.2), False)],
)
def test_a_gain_is_significant_if_its_interval_excludes_0(interval, is_significant):
    assert Gain(0.1, interval, (3, 3)).is_significant == is_significant
