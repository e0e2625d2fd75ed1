"""A diagnosis as a notebook shows it."""

import re
from html.parser import HTMLParser

import pytest

from kcomponents.callbacks import TrainingDoctor
from kcomponents.doctor import LABELS, Diagnosis, Finding, Remedy, examine
from tests.doctor.cases import record, sick
from tests.ecosystem.small import data, net

HOSTILE = "</pre></td><script>alert('1')</script><b onclick=\"x\">&lt;"
OPEN = {"br"}


class Reading(HTMLParser):
    """What HTML holds: the texts, and each tag with its attributes."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.tags, self.open = [], [], []
        self.feed(page)
        self.close()
        assert not self.open, "a tag is not closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(attrs)))
        if tag not in OPEN:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(diagnosis):
    return Reading(diagnosis._repr_html_())


@pytest.mark.any_backend
@pytest.mark.parametrize("label", LABELS)
def test_it_shows_every_finding_with_what_shows_it_and_what_helps(label):
    found = examine(sick(label))
    texts = read(found).texts
    assert texts[0] == found.sentence
    for finding in found.findings:
        assert {finding.label, *finding.evidence} <= set(texts)
        for remedy in finding.remedies:
            assert remedy.reason in texts
            assert not remedy.code or remedy.code in texts
    assert set(found.notes) <= set(texts)


@pytest.mark.any_backend
def test_a_healthy_training_is_a_sentence_without_a_table():
    page = read(examine(record()))
    assert "No problems found." in page.texts
    assert "table" not in [tag for tag, _ in page.tags]


@pytest.mark.any_backend
def test_no_string_is_taken_for_markup():
    def made(text):
        remedy = Remedy(text, (text,), text, text)
        finding = Finding(text, text, (text, text), text, (remedy,))
        return read(Diagnosis("inconsistent", (finding,), (text,)))

    hostile = made(HOSTILE)
    # Rule, severity, place, twice the evidence, reason, code, note; the sentence too.
    assert "".join(hostile.texts).count(HOSTILE) == 9
    assert hostile.tags == made("plain").tags


@pytest.mark.any_backend
def test_it_needs_nothing_from_elsewhere():
    page = examine(sick("dead_relu"))._repr_html_()
    assert not re.search(r"<(script|link|style|img|iframe)|src=|href=|url\(", page)


@pytest.mark.any_backend
def test_what_the_doctor_says_in_fit_is_shown():
    x, y = data()
    doctor = TrainingDoctor()
    net().fit(x * float("nan"), y, verbose=0, callbacks=[doctor])
    assert doctor.diagnosis.sentence in read(doctor.diagnosis).texts
    assert doctor.diagnosis.findings[0].label in read(doctor.diagnosis).texts
