"""The bench: its programs are whole, its faults change something, its counts hold."""

import copy
import hashlib
import pathlib

import numpy as np
import pytest

from tests.doctor.bench import __main__ as bench
from tests.doctor.bench.faults import FAULTS
from tests.doctor.bench.program import HALVES, load

pytestmark = pytest.mark.any_backend
FOLDER = pathlib.Path(bench.__file__).parent
PROGRAMS = {(half, name): kind for half in HALVES for name, kind in load(half).items()}


def digest_of(half):
    """Return a digest of the names and the contents of a half's files."""
    whole = hashlib.sha256()
    for path in sorted((FOLDER / half).glob("*.py")):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def test_the_sealed_half_is_as_it_was_before_the_rules_changed():
    [digest] = (FOLDER / "sealed.sha256").read_text().split()
    assert digest_of("sealed") == digest


@pytest.mark.parametrize("key", PROGRAMS, ids="/".join)
def test_a_program_says_what_its_data_holds(key):
    program = PROGRAMS[key]()
    data = program.data(0)
    for part in filter(None, (data.train, data.validation, data.test)):
        assert set(part.x) == set(program.inputs)
        # The rows to score may have answers that training does without.
        assert part is data.test or set(part.y) <= set(program.targets)
        rows = {len(values) for values in (*part.x.values(), *part.y.values())}
        assert rows == {len(part)}
    assert program.kind and program.metric and 0 < program.good < 1
    again = program.data(0)
    for name, values in data.train.x.items():
        np.testing.assert_array_equal(values, again.train.x[name])


def flat(value):
    """Return a value as something that can be compared."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if hasattr(value, "__dict__"):
        return flat(vars(value))
    if isinstance(value, dict):
        return {name: flat(part) for name, part in value.items()}
    return value


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_data_or_settings_of_a_program_that_it_fits(name):
    fault = FAULTS[name]
    fitting = [kind() for kind in PROGRAMS.values() if fault.fits(kind())]
    assert fitting
    for strength in fault.strengths:
        program = fitting[0]
        data, settings = program.data(0), copy.deepcopy(program.settings)
        before = flat(copy.deepcopy(data)), flat(copy.deepcopy(settings))
        random = np.random.default_rng(0)
        fault.change(program, strength)(data, settings, random)
        assert (flat(data), flat(settings)) != before


def row(score, labels=(), fault="rate_too_high", **changes):
    return {
        "half": "sound",
        "program": "a",
        "backend": "jax",
        "fault": fault,
        "strength": None if fault is None else 10.0,
        "seed": 0,
        "score": score,
        "error": None,
        "labels": list(labels),
    } | changes


def test_harm_is_what_costs_a_tenth_of_the_score():
    clean = [row(score, fault=None) for score in (0.8, 0.8, 0.8)]
    for score, harmful in ((0.73, False), (0.71, True), (None, True)):
        [group] = bench.judged([*clean, row(score)])
        assert group["harmful"] is harmful
    wide = [row(score, fault=None) for score in (0.7, 0.9)]
    [group] = bench.judged([*wide, row(0.65)])
    assert not group["harmful"]


def test_a_run_is_named_has_a_symptom_or_is_silent():
    clean = [row(0.8, fault=None)]
    labels = (["learning_rate_too_high", "loss_nan"], ["loss_nan"], [], ["leak"])
    [group] = bench.judged([*clean, *(row(0.1, found) for found in labels)])
    assert (group["named"], group["symptom"], group["silent"]) == (1, 1, 1)
    text = bench.table([*clean, *(row(0.1, found) for found in labels)])
    assert "harmful faults, named: 1 of 4 = 0.25 [0.05, 0.70]" in text
    assert "sound runs, accused: 0 of 1" in text
