"""results.csv: one row per trial, all digits of numbers, no formulas."""

import csv
import io

import pytest

from kcomponents.tuning._results.csv_table import COLUMNS, to_csv
from tests.tuning import made_results

pytestmark = pytest.mark.any_backend


def rows_of(results):
    return list(csv.DictReader(io.StringIO(to_csv(results))))


def test_each_trial_has_a_row_and_each_hyperparameter_a_column():
    results = made_results.finished()
    rows = rows_of(results)
    assert len(rows) == len(results["trials"])
    names = [f"hp.{part['name']}" for part in results["space"]]
    assert list(rows[0]) == [*COLUMNS, *names]


def test_numbers_come_back_as_they_were():
    results = made_results.finished()
    for row, trial in zip(rows_of(results), results["trials"], strict=True):
        assert row["id"] == trial["id"] and int(row["epochs"]) == trial["epochs"]
        score = float(row["score"]) if row["score"] else None
        assert score == trial["score"]
        assert float(row["hp.learning_rate"]) == trial["values"]["learning_rate"]


def test_an_inactive_value_is_empty_and_none_is_not():
    results = made_results.finished(3)
    results["trials"] = results["trials"][:2]
    for trial, value in zip(results["trials"], [{}, {"strength": None}], strict=True):
        trial["values"] = value
    assert [row["hp.strength"] for row in rows_of(results)] == ["", "none"]


def test_values_that_the_space_does_not_name_have_a_column_too():
    results = made_results.empty()
    trial = made_results.finished(2)["trials"][0] | {"values": {"new": 5}}
    assert rows_of(results | {"trials": [trial]})[0]["hp.new"] == "5"


@pytest.mark.parametrize(
    "text", ["=1+1", "+a", "-a", "@a", "\t=1", " =1", "\n=1", "\x00=1", "\uff1d1"]
)
def test_no_cell_begins_like_a_formula(text):
    results = made_results.empty()
    trial = made_results.finished(2)["trials"][0]
    trial |= {"values": {text: text}, "message": text, "worker": text, "id": text}
    line = to_csv(results | {"trials": [trial | {"findings": [text]}]})
    cells = [cell for row in csv.reader(io.StringIO(line)) for cell in row]
    assert not any(cell.startswith(tuple("=+-@\t\r\n \uff1d")) for cell in cells)


def test_a_number_below_zero_is_no_formula():
    results = made_results.empty()
    trial = made_results.finished(2)["trials"][0] | {"score": -1.5}
    row = rows_of(results | {"trials": [trial | {"values": {"shift": "-2"}}]})[0]
    assert row["score"] == "-1.5" and row["hp.shift"] == "-2"


def test_hostile_names_stay_one_row_a_trial():
    results = made_results.hostile()
    text = to_csv(results)
    assert len(text.splitlines()) == len(results["trials"]) + 1
    assert "\x1b" not in text and "\u202e" not in text


def test_an_empty_search_has_a_head():
    assert to_csv(made_results.empty()).startswith("id,kind,of,state")
