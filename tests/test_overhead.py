"""What a row of the benchmark of monitors shows, and the models that it trains."""

import importlib
import pathlib

import numpy as np
import pytest

pytestmark = pytest.mark.any_backend
BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def overhead(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name):
        return importlib.import_module(f"overhead.{name}")

    return load


def test_an_interval_of_the_median_is_that_of_draws_from_the_pairs(overhead):
    intervals, values = overhead("intervals"), np.linspace(0.9, 1.1, 41).tolist()
    random = np.random.default_rng(0)
    drawn = np.median(random.choice(values, (20_000, 41)), axis=1)
    expected = np.quantile(drawn, [0.025, 0.975])
    np.testing.assert_allclose(intervals.interval(values), expected, atol=0.006)


@pytest.mark.parametrize(
    "values, bound, verdict",
    [
        ([1.0] * 5, None, ""),
        ([1.07] * 5, 1.05, ""),
        ([1.071] * 5, 1.05, "MISSED"),
        # An interval from 0.9 to 1.06, and one from 1.08 to 1.2.
        ([0.9, 0.9, 1.0, 1.06, 1.06], 1.05, "not shown"),
        ([1.08, 1.08, 1.1, 1.2, 1.2], 1.05, "MISSED"),
    ],
)
def test_a_bound_holds_where_a_narrow_interval_ends_near_it(
    overhead, values, bound, verdict
):
    assert overhead("intervals").verdict(values, bound) == verdict


def test_every_model_is_built_and_has_data(overhead):
    cases = overhead("cases")
    for name in ("tabular MLP", "LSTM, masks", "GPT", "ResNet-20"):
        case = cases.CASES[name]
        model = cases.compiled(case)
        [(x, y), *_] = cases.data(case)
        assert model(x[:2]).shape == (2, cases.CLASSES) and len(x) == len(y)
        if case.ids:
            # Padding is 0, and only at the ends.
            assert x.min() == 0 and x.max() <= case.ids
            assert ((x == 0) == (np.cumsum(x == 0, axis=1) > 0)).all()


def test_a_whole_fit_is_timed_from_the_model_to_its_end(overhead):
    cases, fits = overhead("cases"), overhead("fits")
    case = cases.CASES["tabular MLP"]
    parts = fits.parts_of(case, 2)
    whole, first, later = fits.fit(case, parts, 2, [])
    assert 0 < first < first + later < whole
    assert len(parts[0][0]) == 2 * case.batch and len(parts[1][0]) == case.batch


@pytest.mark.parametrize("seconds, epochs, steps", [(10, 6, 30), (60, 36, 31)])
def test_a_fit_has_the_steps_that_fill_its_seconds(
    overhead, monkeypatch, seconds, epochs, steps
):
    """A step takes 0.05 seconds, an epoch 0.1 more, and a fit 0.4 more."""
    cases, fits = overhead("cases"), overhead("fits")

    def fit(case, parts, epochs, callbacks):
        of_epoch = 0.1 + len(parts[0][0]) / case.batch * 0.05
        return 0.4 + epochs * of_epoch, 0.4 + of_epoch, of_epoch

    monkeypatch.setattr(fits, "fit", fit)
    case = cases.CASES["tabular MLP"]
    parts, found, of_epoch = fits.plan(case, seconds)
    assert (found, of_epoch) == (epochs, steps)
    assert len(parts[0][0]) == steps * case.batch
