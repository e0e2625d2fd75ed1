"""Programs of the suite under the doctor; `tests/doctor/table.py` runs all of them."""

import hashlib
import json
import warnings

import keras
import pytest

from kcomponents.doctor import LABELS
from tests.doctor.programs import held_out, load
from tests.doctor.table import differences, examine, is_right, main, summary

BACKENDS = "tensorflow", "jax", "torch"
BACKEND = keras.backend.backend()
# Each backend runs one of so many shares of the programs, since all take too long.
SHARES = 18 if BACKEND == "torch" else 42


def chosen():
    """Return a share of the programs for this backend, the same at all times."""
    mine = BACKENDS.index(BACKEND)
    found = sorted(load().items())
    return [
        p
        for name, p in found
        if hashlib.sha256(name.encode()).digest()[0] % SHARES == mine
    ]


def test_names_what_is_wrong_and_is_silent_where_nothing_is():
    with warnings.catch_warnings():
        # Keras warns about some of the programs.
        warnings.simplefilter("ignore")
        rows = [examine(program) for program in chosen()]
    assert not [n for row in rows for n in row["notes"] if "was skipped" in n]
    sick = [row for row in rows if row["accepted"]]
    well = [row for row in rows if not row["accepted"]]
    missed = [row for row in sick if not is_right(row, "ours")]
    flagged = [row for row in well if not is_right(row, "ours")]
    assert len(sick) > 2 and len(well) > 5
    assert len(missed) <= 0.2 * len(sick), missed
    # The whole table allows 5 %; with so few programs, one is more than that.
    assert len(flagged) <= 1, flagged


def test_half_of_the_programs_is_held_out_and_each_label_is_there_twice():
    programs = load()
    sick = [p for p in programs.values() if p.accepted]
    assert len(sick) >= 40 and len(programs) - len(sick) >= 40
    share = sum(map(held_out, programs)) / len(programs)
    assert 0.4 < share < 0.6
    for label in LABELS:
        assert sum(label in program.accepted for program in sick) >= 2, label


@pytest.mark.any_backend
def test_the_table_counts_by_half_and_tool(capsys, tmp_path):
    [name, *_] = [n for n, p in sorted(load().items()) if "xor" in n and not p.accepted]
    file = tmp_path / "here.jsonl"
    main([name, "--output", str(file)])
    said = capsys.readouterr().out
    assert f"1/1   {name}" in said and "umlaut" in said and "dead_relu" in said
    assert "0 of 1 (0%)" in summary([{**ROW, "accepted": [], "ours": []}])
    file.with_name("there.jsonl").write_text(file.read_text())
    main(["--differences", str(file), str(file.with_name("there.jsonl"))])
    assert "1 of 1 programs: the same first finding" in capsys.readouterr().out


ROW = {
    "program": "one",
    "half": "development",
    "accepted": ["dead_relu"],
    "ours": ["dead_relu"],
    "umlaut": ["overfitting"],
    "autotrainer": [],
}


@pytest.mark.parametrize(("tool", "right"), [("ours", True), ("umlaut", False)])
def test_any_accepted_label_is_right(tool, right):
    assert is_right(ROW, tool) == right
    assert is_right({**ROW, "accepted": []}, "autotrainer")


def test_backends_that_say_others_are_told(tmp_path):
    one, two = tmp_path / "jax.jsonl", tmp_path / "torch.jsonl"
    one.write_text(json.dumps(ROW) + "\n")
    two.write_text(json.dumps({**ROW, "ours": []}) + "\n")
    told = differences([one, two])
    assert told.startswith("! one: jax: ['dead_relu']; torch: []")
