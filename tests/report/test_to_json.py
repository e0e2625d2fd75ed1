"""The JSON: strict, complete, the same for the same training."""

import json

import pytest

from kcomponents.doctor import Diagnosis, Finding, Remedy, examine
from kcomponents.record import Record
from kcomponents.report import to_json
from tests.report import records

pytestmark = pytest.mark.any_backend


def strict(text):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_json_has_the_diagnosis_and_the_settings():
    diagnosis, record = records.sick()
    report = strict(to_json(diagnosis, record))
    assert report["verdict"] == diagnosis.verdict
    assert report["findings"] == diagnosis.to_dict()["findings"]
    assert report["settings"]["learning_rate"] == 0.001
    assert report["settings"]["optimizer"] == "Adam"
    assert report["settings"]["samples"] == 1437 and "rows" not in report["settings"]
    assert report["versions"]["keras"] == "3.15.1"


def test_broken_numbers_are_strings():
    remedy = Remedy("clipnorm", (float("inf"), float("nan")), "It bounds.")
    finding = Finding("loss_nan", "", ("It broke.",), "high", (remedy,))
    record = Record({"optimizer": {"class": "SGD", "config": {"x": float("nan")}}})
    report = strict(to_json(Diagnosis("not_finite", (finding,)), record))
    assert report["findings"][0]["remedies"][0]["values"] == ["inf", "nan"]
    assert report["settings"]["x"] == "nan"


@pytest.mark.parametrize(("cycle", "end"), [(True, ", cycle=True)"), (False, ")")])
def test_an_object_is_told_with_the_arguments_that_are_set(cycle, end):
    config = {"decay_steps": 9, "end": None, "cycle": cycle, "name": "decay"}
    rate = {"class": "PolynomialDecay", "config": config}
    optimizer = {"class": "SGD", "config": {"learning_rate": rate}}
    report = strict(to_json(None, Record({"optimizer": optimizer})))
    told = report["settings"]["learning_rate"]
    assert told == "PolynomialDecay(decay_steps=9" + end


def test_without_a_record_there_is_the_diagnosis_alone():
    diagnosis, _ = records.sick()
    assert strict(to_json(diagnosis)) == diagnosis.to_dict()


def test_an_empty_record_says_what_is_missing():
    report = strict(to_json(examine(Record()), Record()))
    assert report["settings"] == {} and report["missing"]


def test_without_a_diagnosis_the_record_is_examined():
    _, record = records.healthy()
    assert to_json(None, record) == to_json(examine(record), record)


def test_the_same_training_gives_the_same_bytes():
    assert to_json(*records.monstrous()) == to_json(*records.monstrous())


def test_nothing_to_tell_is_refused():
    with pytest.raises(ValueError, match="must be a `Diagnosis`"):
        to_json(None)
