"""The search for an activation runs, and keeps what it found where it says."""

import json

import pytest
import search_activations

pytestmark = pytest.mark.any_backend


def test_a_quick_search_leaves_trials_a_map_and_a_page(tmp_path, capsys):
    arguments = ["--quick", "--workers", "0", "--results", str(tmp_path)]
    search_activations.main(arguments)
    printed = capsys.readouterr().out
    lines = (tmp_path / "search_activations.jsonl").read_text().splitlines()
    trials = [json.loads(line) for line in lines]
    assert [trial["kind"] for trial in trials] == ["baseline", *3 * ["search"]]
    assert trials[0]["values"]["activation"] == "relu"
    assert trials[0]["values"]["regularizer"] == "none"
    best = max(trial["score"] for trial in trials)
    assert 0.3 < best <= 1 and f"best val_accuracy {best:.4g}" in printed
    assert (tmp_path / "search_activations.png").read_bytes()[1:4] == b"PNG"
    page = (tmp_path / "search_activations.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "search_activations.html" in printed


def test_a_pair_has_the_best_of_its_trials_and_repeats_do_not_count():
    def trial(score, kind="search", state="completed", activation="relu"):
        values = {"activation": activation, "regularizer": "l2"}
        return {"score": score, "kind": kind, "state": state, "values": values}

    found = search_activations.cells(
        [
            trial(0.7, state="pruned"),
            trial(0.9, "full"),
            trial(None, state="failed"),
            trial(0.95, "repeat"),
            trial(0.8, state="pruned", activation="prelu"),
        ]
    )
    assert found[("relu", "l2")] == (0.9, "completed", 1)
    assert found[("prelu", "l2")] == (0.8, "pruned", 1) and len(found) == 2


def test_data_that_cannot_be_read_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        search_activations.main(["--data", "missing.npz", "--results", str(tmp_path)])
    assert "'missing.npz'" in capsys.readouterr().err
