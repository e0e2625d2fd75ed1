"""The importance of hyperparameters, and the reasons why there is none."""

import builtins
import math

import pytest

from tests.tuning.results.test_results import results_of

pytestmark = pytest.mark.any_backend


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
    shares, reason = known.importance
    assert reason == "" and next(iter(shares)) == "strength"
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) == {"strength", "kind", "idle"}
    assert results_of(*trials, space=space).importance == (shares, reason)


def test_importance_says_why_there_is_none(monkeypatch):
    assert "10 are needed" in results_of().importance[1]
    same = results_of(*((str(n), "search", None, n, 0.5) for n in range(12)))
    assert same.importance == (None, "All scores are the same.")
    scores = (n / 12 for n in range(12))
    bare = [(str(n), "search", None, n, score) for n, score in enumerate(scores)]
    real = builtins.__import__

    def without(name, *rest):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert 'pip install "kcomponents[tuning]"' in results_of(*bare).importance[1]
