"""The page of benchmarks says why a bound is missed, and what the limit is."""

import importlib
import json
import pathlib

import pytest

pytestmark = pytest.mark.any_backend
BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
LIMITS = """
[[limits]]
benchmark = "speed"
row = "large"
sentence = "Memory is slow."

[[limits]]
benchmark = "speed"
row = "small"
backend = "jax"
sentence = "Calls take time."
"""


@pytest.fixture
def run_all(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("run_all")
    (tmp_path / "limits.toml").write_text(LIMITS, encoding="utf-8")
    monkeypatch.setattr(module, "KEPT", tmp_path)
    return module


def found_with(*rows, backend="jax", name="speed"):
    return {"name": name, "backend": backend, "printed": "\n".join(rows)}


def test_missed_rows_have_the_sentences_that_name_them_once(run_all):
    rows = "1.2 MISSED large", "1.1 not shown large", "1.3 MISSED small", "0.9 large"
    found = run_all.limits_of(found_with(*rows))
    assert found == (["Memory is slow.", "Calls take time."], [])


@pytest.mark.parametrize("other", [{"backend": "torch"}, {"name": "memory"}])
def test_a_sentence_is_for_one_benchmark_and_may_be_for_one_backend(run_all, other):
    row = "1.3 MISSED small"
    assert run_all.limits_of(found_with(row, **other)) == ([], [row])


def test_rows_without_a_sentence_are_named(run_all, tmp_path):
    kept = found_with("1.2 MISSED large", "1.1 MISSED medium")
    (tmp_path / "speed-jax.json").write_text(json.dumps(kept), encoding="utf-8")
    assert run_all.unexplained_rows() == ["speed on jax: 1.1 MISSED medium"]
