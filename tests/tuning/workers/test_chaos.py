"""Chaos: a search whose processes are killed ends like one without kills."""

import gc
import json

import pytest

from tests.random_cases import cases
from tests.tuning import kill_points, postgresql
from tests.tuning.kills import Chaos, differences


@pytest.mark.any_backend
@pytest.mark.slow
def test_a_search_with_killed_processes_ends_like_one_without(tmp_path):
    chaos = Chaos(tmp_path, trials=cases(4, 80), seed=1, kills=cases(5, 100))
    found = chaos.run()
    assert found.wrong == []
    assert (found.lost, found.twice) == (0, 0)
    assert found.starters + found.workers == len(chaos.kills()) > 0
    with open(tmp_path / "results.jsonl") as file:
        lines = [json.loads(line) for line in file]
    assert [line["kill"] for line in lines] == list(range(len(chaos.kills())))
    assert {"changed", "damage"}.isdisjoint(line["outcome"] for line in lines)


@pytest.mark.any_backend
# Connections that wait in a pool of Optuna, which has no way to close it.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.skipif(postgresql.missing() is not None, reason=f"{postgresql.missing()}")
def test_a_database_keeps_the_trials_of_killed_processes(tmp_path):
    with postgresql.server() as url:
        found = Chaos(tmp_path, trials=3, url=url, kills=3).run()
        gc.collect()
    assert found.wrong == []
    assert (found.lost, found.twice) == (0, 0)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("trials", {}, "Trial 0 is lost."),
        ("trials", {"0": {"score": 1}, "1": {}}, "Trial 1 is new."),
        ("trials", {"0": {"score": 2}}, "score of trial 0: 1 became 2"),
        ("best", "other", "best.keras has other weights."),
        ("files", ["a", "b"], "Only one of the searches left b."),
    ],
)
def test_each_difference_between_two_searches_is_found(name, value, line):
    left = {"trials": {"0": {"score": 1}}, "best": "same", "files": ["a"]}
    assert differences(left, left) == []
    assert differences(left, {**left, name: value}) == [line]


@pytest.mark.any_backend
def test_a_kill_point_is_before_within_and_after_a_write():
    points = kill_points.points_of({"write journal.log": 3, "lock journal.log": 1})
    assert points == [
        ("lock journal.log", "before"),
        ("lock journal.log", "after"),
        ("write journal.log", "before"),
        ("write journal.log", "after"),
        ("write journal.log", "half"),
    ]
