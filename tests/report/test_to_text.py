"""The text for the console: complete, aligned, and safe from names of strangers."""

import pytest

from kcomponents.doctor import Diagnosis, Finding, examine
from kcomponents.record import Record
from kcomponents.report import to_text
from tests.report import records

pytestmark = pytest.mark.any_backend


def test_the_sentence_stands_on_top():
    diagnosis, record = records.sick()
    text = " ".join(to_text(diagnosis, record).split())
    assert text.startswith(diagnosis.sentence)


def test_the_text_has_all_of_a_finding():
    diagnosis, record = records.sick()
    text = " ".join(to_text(diagnosis, record).split())
    for finding in diagnosis.findings:
        assert finding.label in text and finding.where in text
        assert all(sentence in text for sentence in finding.evidence)
        assert all(remedy.reason in text for remedy in finding.remedies)
    assert all(note in text for note in diagnosis.notes)


def test_code_keeps_its_lines():
    diagnosis, _ = records.sick()
    text = to_text(diagnosis)
    for finding in diagnosis.findings:
        for remedy in finding.remedies:
            assert all(
                f"       {line}\n" in text for line in remedy.code.split("\n")[:-1]
            )


def test_no_line_is_wider_than_a_console_but_code_and_settings():
    text = to_text(*records.sick())
    before = text.split("Settings")[0].splitlines()
    assert all(len(line) <= 80 for line in before if not line.startswith("       "))


def test_settings_stand_in_one_line():
    text = to_text(*records.sick())
    last = text.splitlines()[-1]
    assert "optimizer Adam, learning_rate 0.001" in last and "epochs 20" in last


def test_there_is_color_only_where_it_is_asked_for(monkeypatch):
    diagnosis, record = records.sick()
    assert "\033[" in to_text(diagnosis, record, color=True)
    assert "\033[" not in to_text(diagnosis, record, color=False)
    # The output of a test is no terminal.
    assert "\033[" not in to_text(diagnosis, record)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[" in to_text(diagnosis, record)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033[" not in to_text(diagnosis, record)


def test_a_name_cannot_command_the_terminal():
    evidence = ("In \033[2J\u202e it is dead.",)
    diagnosis = Diagnosis(
        "not_learning", (Finding("dead_relu", "\033[2J\n", evidence),)
    )
    text = to_text(diagnosis, color=False)
    assert "\033" not in text and "\u202e" not in text


def test_an_empty_record_says_what_is_missing():
    text = to_text(examine(Record()), Record())
    assert "No epoch has finished" in text


def test_without_a_diagnosis_the_record_is_examined():
    _, record = records.healthy()
    assert to_text(None, record) == to_text(examine(record), record)


def test_the_same_training_gives_the_same_text():
    assert to_text(*records.monstrous()) == to_text(*records.monstrous())


@pytest.mark.parametrize("given", [(None, None), ("healthy", None), (None, {})])
def test_what_is_no_diagnosis_or_record_is_refused(given):
    with pytest.raises(ValueError, match="must be a"):
        to_text(*given)
