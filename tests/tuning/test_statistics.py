"""What the trials say: seeds grouped, gains signed, intervals equal to Welch's."""

import builtins
import math

import numpy
import pytest

from kcomponents.tuning._results import statistics as groups
from kcomponents.tuning._results import statistics as of
from kcomponents.tuning._results.importance import importance
from kcomponents.tuning._results.statistics import t_quantile, welch_interval
from tests.tuning import made_results


def results_of(*trials, direction="max", **changed):
    """Return results of trials given as `(id, kind, of, seed, score, changes)`."""
    names = "id", "kind", "of", "seed", "score"
    made = [
        {
            **{"state": "completed", "reason": None, "values": {}, "epochs": 10},
            **{"findings": [], "message": ""},
            **dict(zip(names, trial[:5], strict=True)),
            **(trial[5] if len(trial) > 5 else {}),
        }
        for trial in trials
    ]
    objective = {"name": "score", "direction": direction}
    return made_results.around(made, objective=objective, epochs=10) | changed


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


def test_a_trial_its_repeats_and_its_full_run_are_one_configuration():
    known = results_of(
        ("3", "search", None, 1, 0.5, {"state": "pruned"}),
        ("full-3", "full", "3", 2, 0.8),
        ("repeat-3-0", "repeat", "3", 3, 0.9),
        ("again", "repeat", "full-3", 4, 1.0),
        ("4", "search", None, 9, 0.7),
    )
    first, second = of.configurations(known)
    assert first.trial == "3" and len(first.trials) == 4
    assert second.scores == (0.7,) and second.deviation is None


def test_what_was_chosen_by_a_score_is_judged_by_its_other_seeds():
    known = results_of(
        ("0", "baseline", None, 0, 0.6),
        ("repeat-0-0", "repeat", "0", 5, 0.4),
        ("3", "search", None, 1, 0.9),
        ("repeat-3-0", "repeat", "3", 3, 0.7),
        ("repeat-3-1", "repeat", "3", 4, 0.8),
    )
    base, best = of.configurations(known)
    assert best.mean == pytest.approx(0.75) and best.seeds == 2
    # The baseline was chosen by nobody.
    assert base.mean == pytest.approx(0.5) and base.seeds == 2


def test_a_full_run_stands_for_the_trial_with_the_same_seed():
    known = results_of(("full", "full", "3", 1, 0.8), ("3", "search", None, 1, 0.5))
    assert [found.scores for found in of.configurations(known)] == [(0.8,)]


def test_trials_without_a_seed_are_each_one_of_their_own():
    known = results_of(
        ("3", "search", None, None, 0.5), ("4", "repeat", "3", None, 0.6)
    )
    assert of.configurations(known)[0].scores == (0.5, 0.6)


@pytest.mark.parametrize("score", [None, math.nan, math.inf])
def test_a_trial_without_a_finite_score_is_not_ranked(score):
    assert of.ranking(results_of(("3", "search", None, 1, score))) == []


def test_a_trial_of_itself_does_no_harm():
    known = results_of(("3", "repeat", "3", 1, 0.5), ("4", "repeat", "5", 1, 0.6))
    assert len(of.ranking(known)) == 2


def test_all_runs_of_the_baseline_are_one_configuration():
    known = results_of(
        ("0", "baseline", None, 1, 0.5),
        ("b", "baseline", None, 2, 0.7),
        ("c", "repeat", "b", 3, 0.9),
    )
    assert of.baseline(known).scores == (0.5, 0.7, 0.9)
    assert of.winner(known) is None and of.gain(known, of.baseline(known)) is None


def two_sided(direction, better, worse):
    trials = [("0", "baseline", None, 0, worse[0])]
    trials += [(f"b{n}", "repeat", "0", n, s) for n, s in enumerate(worse[1:], 1)]
    trials += [("1", "search", None, 0, better[0])]
    again = better if len(better) > 1 else []
    trials += [(f"r{n}", "repeat", "1", 9 + n, s) for n, s in enumerate(again)]
    return results_of(*trials, direction=direction)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_positive_gain_is_better_whatever_the_direction(direction):
    high, low = [0.9, 0.91, 0.92], [0.1, 0.12, 0.14]
    pair = (high, low) if direction == "max" else (low, high)
    known = two_sided(direction, *pair)
    gain = of.gain(known, of.winner(known))
    assert gain.mean == pytest.approx(0.79) and gain.is_significant
    assert 0 < gain.interval[0] < gain.mean < gain.interval[1]
    worst = of.difference(known, of.baseline(known), of.winner(known))
    assert worst.interval == pytest.approx((-gain.interval[1], -gain.interval[0]))


def test_what_overlaps_or_has_one_seed_is_not_significant():
    close = two_sided("max", [0.9, 0.8, 0.7], [0.85, 0.75, 0.65])
    assert not of.gain(close, of.winner(close)).is_significant
    single = two_sided("max", [0.9], [0.1, 0.2, 0.3])
    gain = of.gain(single, of.winner(single))
    assert gain.interval is None and not gain.is_significant


def test_configurations_with_several_seeds_stand_before_lucky_ones():
    known = results_of(
        ("1", "search", None, 1, 0.99),
        ("2", "search", None, 2, 0.95),
        ("r", "repeat", "2", 3, 0.93),
        ("0", "baseline", None, 4, 0.9),
    )
    assert [found.trial for found in of.ranking(known)] == ["2", "1", "0"]


def test_a_repeated_baseline_alone_does_not_change_the_order():
    known = two_sided("max", [0.99], [0.9, 0.91])
    assert [found.trial for found in of.ranking(known)] == ["1", "0"]


def test_each_family_has_its_best_and_none_if_none_finished():
    values = [{"values": {"a": a}} for a in ("relu", "relu", "elu", None)]
    values[2]["state"] = "pruned"
    scores = 0.5, 0.6, 0.7, 0.4
    trials = [
        (str(n), "search", None, n, score, extra)
        for n, (score, extra) in enumerate(zip(scores, values, strict=True))
    ]
    best = of.best_of_families(results_of(*trials), "a")
    told = {name: found and found.trial for name, found in best.items()}
    assert told == {"relu": "1", "none": "3", "elu": None}


def test_scores_of_pruned_trials_stay_apart():
    extra = {"values": {"a": "relu", "b": "l2"}}
    known = results_of(
        ("1", "search", None, 1, 0.9, extra),
        ("2", "repeat", "1", 2, 0.7, extra),
        ("3", "search", None, 3, 0.2, extra | {"state": "pruned"}),
        ("4", "search", None, 4, None, extra | {"state": "failed"}),
    )
    finished, pruned = groups.family_scores(known, "a")["relu"]
    assert finished == [pytest.approx(0.8)] and pruned == [0.2]
    cells = groups.interaction(known, "a", "b")
    assert cells == {("relu", "l2"): (pytest.approx(0.8), 1, 3)}


def test_quartiles_are_those_of_numpy():
    assert groups.quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def test_epochs_saved_are_those_planned_less_those_run():
    known = results_of(
        ("1", "search", None, 1, 0.9, {"epochs": 8}),
        ("2", "search", None, 1, 0.9, {"epochs": 3, "state": "pruned"}),
        ("3", "search", None, 1, None, {"epochs": 0, "state": "failed"}),
        ("4", "search", None, 1, None, {"epochs": 1, "state": "running"}),
        ("5", "full", "2", 1, 0.9, {"epochs": 12}),
    )
    saved, planned = groups.epochs_saved(known)
    assert saved == {"completed": 2, "pruned": 7, "failed": 10} and planned == 40


def test_endings_and_findings_are_counted():
    known = made_results.finished()
    found = {key: len(trials) for key, trials in groups.endings(known).items()}
    states = [trial["state"] for trial in known["trials"]]
    assert sum(found.values()) == states.count("failed") + states.count("pruned")
    assert next(iter(found))[0] == "failed" and ("pruned", "dead_relu") in found
    assert groups.findings(known) == {"dead_relu": found["pruned", "dead_relu"]}


def test_importance_finds_what_matters_though_it_is_inactive_at_times():
    pytest.importorskip("optuna")
    pytest.importorskip("sklearn")
    trials = []
    for n in range(40):
        values = {"kind": "l2" if n % 2 else "none", "idle": n % 3}
        values |= {"strength": 10 ** (-6 + n / 10)} if n % 2 else {}
        score = math.log10(values["strength"]) if n % 2 else -4.0
        trials.append((str(n), "search", None, n, score, {"values": values}))
    log = {"kind": "Float", "min": 1e-6, "max": 1e-2, "sampling": "log"}
    space = [{"name": "strength", **log}, {"name": "kind", "values": ["none", "l2"]}]
    space += [{"name": "idle", "values": [0, 1, 2]}, {"name": "fixed", "values": [1]}]
    known = results_of(*trials, space=space)
    shares, reason = importance(known)
    assert reason == "" and next(iter(shares)) == "strength"
    assert sum(shares.values()) == pytest.approx(1) and set(shares) == {
        "strength",
        "kind",
        "idle",
    }
    assert importance(known) == (shares, reason)


def test_importance_says_why_there_is_none(monkeypatch):
    assert "10 are needed" in importance(made_results.empty())[1]
    same = results_of(*((str(n), "search", None, n, 0.5) for n in range(12)))
    assert importance(same) == (None, "All scores are the same.")
    scores = (n / 12 for n in range(12))
    bare = [(str(n), "search", None, n, score) for n, score in enumerate(scores)]
    real = builtins.__import__

    def without(name, *rest):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install optuna" in importance(results_of(*bare))[1]


def test_equal_scores_of_one_side_only_leave_an_interval():
    low, high = welch_interval([0.5, 0.5], [0.3, 0.4, 0.5])
    assert low < 0.1 < high
