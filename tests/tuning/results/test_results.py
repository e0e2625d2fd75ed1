"""The results of a search: seeds grouped, configurations ranked, gains signed."""

import math

import pytest

from kcomponents.tuning._results.results import SearchResults
from tests.tuning import made_results

pytestmark = pytest.mark.any_backend


def results_of(*trials, direction="max", **changed):
    """Return the results of trials given as `(id, kind, of, seed, score, changes)`."""
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
    values = made_results.around(made, objective=objective, epochs=10)
    return SearchResults(**values | changed)


def test_a_trial_its_repeats_and_its_full_run_are_one_configuration():
    known = results_of(
        ("3", "search", None, 1, 0.5, {"state": "pruned"}),
        ("full-3", "full", "3", 2, 0.8),
        ("repeat-3-0", "repeat", "3", 3, 0.9),
        ("again", "repeat", "full-3", 4, 1.0),
        ("4", "search", None, 9, 0.7),
    )
    first, second = known.configurations
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
    base, best = known.configurations
    assert best.mean == pytest.approx(0.75) and best.seeds == 2
    # The baseline was chosen by nobody.
    assert base.mean == pytest.approx(0.5) and base.seeds == 2


def test_a_full_run_stands_for_the_trial_with_the_same_seed():
    known = results_of(("full", "full", "3", 1, 0.8), ("3", "search", None, 1, 0.5))
    assert [found.scores for found in known.configurations] == [(0.8,)]


def test_trials_without_a_seed_are_each_one_of_their_own():
    known = results_of(
        ("3", "search", None, None, 0.5), ("4", "repeat", "3", None, 0.6)
    )
    assert known.configurations[0].scores == (0.5, 0.6)


@pytest.mark.parametrize("score", [None, math.nan, math.inf])
def test_a_trial_without_a_finite_score_is_not_ranked(score):
    assert results_of(("3", "search", None, 1, score)).ranking == []


def test_a_trial_of_itself_does_no_harm():
    known = results_of(("3", "repeat", "3", 1, 0.5), ("4", "repeat", "5", 1, 0.6))
    assert len(known.ranking) == 2


def test_all_runs_of_the_baseline_are_one_configuration():
    known = results_of(
        ("0", "baseline", None, 1, 0.5),
        ("b", "baseline", None, 2, 0.7),
        ("c", "repeat", "b", 3, 0.9),
    )
    assert known.baseline.scores == (0.5, 0.7, 0.9)
    assert known.winner is None and known.gain is None
    assert known.gains == [(known.baseline, None)]


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
    gain = known.gain
    assert gain.mean == pytest.approx(0.79) and gain.is_significant
    assert 0 < gain.interval[0] < gain.mean < gain.interval[1]
    worst = known.difference(known.baseline, known.winner)
    assert worst.interval == pytest.approx((-gain.interval[1], -gain.interval[0]))


def test_what_overlaps_or_has_one_seed_is_not_significant():
    close = two_sided("max", [0.9, 0.8, 0.7], [0.85, 0.75, 0.65])
    assert not close.gain.is_significant
    single = two_sided("max", [0.9], [0.1, 0.2, 0.3])
    gain = single.gain
    assert gain.interval is None and not gain.is_significant


def test_configurations_with_several_seeds_stand_before_lucky_ones():
    known = results_of(
        ("1", "search", None, 1, 0.99),
        ("2", "search", None, 2, 0.95),
        ("r", "repeat", "2", 3, 0.93),
        ("0", "baseline", None, 4, 0.9),
    )
    assert [found.trial for found in known.ranking] == ["2", "1", "0"]


def test_a_repeated_baseline_alone_does_not_change_the_order():
    known = two_sided("max", [0.99], [0.9, 0.91])
    assert [found.trial for found in known.ranking] == ["1", "0"]


def test_families_are_ranked_and_those_without_a_score_come_last():
    values = [{"values": {"a": a}} for a in ("relu", "relu", "elu", None)]
    values[2]["state"] = "pruned"
    scores = 0.5, 0.6, 0.7, 0.4
    trials = [
        (str(n), "search", None, n, score, extra)
        for n, (score, extra) in enumerate(zip(scores, values, strict=True))
    ]
    groups = results_of(*trials).families("a")
    assert {
        name: [found.trial for found in group] for name, group in groups.items()
    } == {
        "relu": ["1", "0"],
        "none": ["3"],
        "elu": ["2"],
    }
    assert list(groups) == ["relu", "none", "elu"] and not groups["elu"][0].scores


def test_scores_of_pruned_trials_stay_apart():
    extra = {"values": {"a": "relu", "b": "l2"}}
    known = results_of(
        ("1", "search", None, 1, 0.9, extra),
        ("2", "repeat", "1", 2, 0.7, extra),
        ("3", "search", None, 3, 0.2, extra | {"state": "pruned"}),
        ("4", "search", None, 4, None, extra | {"state": "failed"}),
    )
    finished, pruned = known.family_scores("a")["relu"]
    assert finished == [pytest.approx(0.8)] and pruned == [0.2]
    cells = known.interaction("a", "b")
    assert cells == {("relu", "l2"): (pytest.approx(0.8), 1, 3)}


def test_epochs_saved_are_those_planned_less_those_run():
    known = results_of(
        ("1", "search", None, 1, 0.9, {"epochs": 8}),
        ("2", "search", None, 1, 0.9, {"epochs": 3, "state": "pruned"}),
        ("3", "search", None, 1, None, {"epochs": 0, "state": "failed"}),
        ("4", "search", None, 1, None, {"epochs": 1, "state": "running"}),
        ("5", "full", "2", 1, 0.9, {"epochs": 12}),
    )
    saved, planned = known.epochs_saved
    assert saved == {"completed": 2, "pruned": 7, "failed": 10} and planned == 40


def test_endings_and_findings_are_counted():
    known = SearchResults(**made_results.finished())
    found = {key: len(trials) for key, trials in known.endings.items()}
    states = [trial["state"] for trial in known.trials]
    assert sum(found.values()) == states.count("failed") + states.count("pruned")
    assert next(iter(found))[0] == "failed" and ("pruned", "dead_relu") in found
    assert known.findings == {"dead_relu": found["pruned", "dead_relu"]}


def test_what_follows_from_the_trials_is_computed_once():
    known = two_sided("max", [0.9, 0.91], [0.1, 0.12])
    assert known.ranking is known.ranking and known.winner is known.ranking[0]
    assert known.gains[0] == (known.winner, known.gain)


def test_the_keys_of_results_are_the_fields():
    with pytest.raises(TypeError, match="unknown"):
        SearchResults(**made_results.finished(2), unknown=1)


def test_a_search_that_has_not_begun_has_defaults():
    known = SearchResults(**made_results.not_begun())
    assert (known.metric, known.is_maximized, known.trials_done) == (
        "score",
        False,
        (0, 0),
    )
    assert known.epochs_saved[1] == 0 and known.winner is known.baseline is None
