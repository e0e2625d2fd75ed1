"""Reports: names of strangers stay names, in text, in JSON and in a page."""

import functools
import html.parser
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcomponents.doctor import VERDICTS, Diagnosis, Finding, Remedy
from kcomponents.record import Reading, Record
from kcomponents.report import compare, to_html, to_json, to_text
from tests.fuzz.hostile import MARKUP, TEXTS, text, tries
from tests.fuzz.refusing import refusal
from tests.fuzz.tampering import tampered
from tests.report import records

pytestmark = pytest.mark.any_backend

SMALL = records.healthy(epochs=2)[1].to_dict()
TAGS = """html head meta title style body main header footer section article figure
h1 h2 h3 h4 p dl dt dd div span ul li pre code wbr table thead tbody tr th td
svg circle path rect g defs clippath text use image""".split()
ATTRIBUTES = """aria-hidden aria-label charset class clip-path content cx cy d fill
data-label height href http-equiv id lang name points preserveaspectratio r role rx
scope stroke stroke-dasharray stroke-linecap stroke-linejoin stroke-width style title
transform viewbox width x y""".split()
# What a file holds is refused by the package, in its own words.
refused = functools.partial(refusal, ours=True)


class Page(html.parser.HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.links = set(), set(), set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value for name, value in attrs if name in ("href", "src")}
        styles = [value for name, value in attrs if name == "style"]
        assert not any("url(" in s and "url(#" not in s for s in styles)


def check_page(page, *also):
    """See that a page has only elements of ours, which reach for nothing outside."""
    found = Page(page)
    assert found.tags <= {*TAGS, *also}, found.tags - {*TAGS}
    assert found.attributes <= {*ATTRIBUTES}, found.attributes - {*ATTRIBUTES}
    assert all(link.startswith(("#", "data:image/png")) for link in found.links)
    assert "<script" not in page.lower() and "\u202e" not in page
    page.encode()


def named(name, other):
    """Return a diagnosis and a record in which strangers named all that has a name."""
    paths = [f"{name}/{other}", other, name]
    facts = records.structure(paths, 4, name, 3)
    facts["model"] = {"name": name, "class": other}
    facts["optimizer"] = {"class": other, "config": {name: other, "learning_rate": 0.1}}
    facts["loss"] = {"name": name, "class": other, "config": {name: other}}
    facts["versions"], facts["metrics"] = {name: other, "keras": name}, [name, other]
    facts["notes"] = [name, other]
    record = Record(facts)
    for epoch in range(2):
        values = records.steady(paths, epoch, 0.001)
        record.add(Reading(epoch, epoch + 1, values | {name: {other: 1.0}}))
        logs = {"loss": 1.0, "val_loss": 2.0, name: 0.5, f"val_{name}": 0.6, other: 0.1}
        logs.pop("epoch", None)
        record.add_logs(epoch, logs)
    remedy = Remedy(name, (name, other, (name, other)), other, f"{name}\n{other}")
    finding = Finding(name, other, (name, f"`{other}`"), other, (remedy,))
    return Diagnosis(VERDICTS[-2], (finding,), (name, other)), record


@tries(60)
@given(name=text(), other=text(), color=st.booleans())
def test_names_of_strangers_stay_words_in_text_and_json(name, other, color):
    diagnosis, record = named(name, other)
    told = to_text(diagnosis, record, color=color)
    kept = told.replace("\033[", "") if color else told
    assert not any(sign in kept for sign in "\x1b\x07\x00\r\u202e\u2066")
    kept.encode()
    assert "\n" not in to_json(diagnosis, record)
    assert json.loads(to_json(diagnosis, record))["findings"][0]["where"] is not None


@tries(4)
@given(name=text(), other=text())
def test_names_of_strangers_are_no_markup_in_a_page(name, other):
    diagnosis, record = named(name, other)
    check_page(to_html(diagnosis, record))


@pytest.mark.parametrize("name", MARKUP)
def test_markup_in_a_name_is_no_markup_in_a_page(name):
    diagnosis, record = named(name, f"{name}\udc00{name}")
    check_page(to_html(diagnosis, record, "page.html"))
    with open("page.html", encoding="utf-8") as file:
        check_page(file.read())
    os.remove("page.html")


@tries(4)
@given(names=st.lists(text(), min_size=2, max_size=4))
def test_names_of_trainings_are_no_markup_beside_each_other(names):
    pairs = [named(name, name) for name in names]
    pages = []
    error = refused(lambda: pages.append(compare(pairs, names)), names=["names"])
    assert (error is None) == (len(set(names)) == len(names))
    if error is None:
        check_page(pages[0])


@tries(50)
@given(data=tampered(SMALL))
def test_a_record_of_a_stranger_is_told_as_text_or_refused(data):
    found = []
    if refused(lambda: found.append(Record.from_dict(data.value))) is None:
        diagnosis = Diagnosis("healthy", ())
        refused(lambda: to_text(diagnosis, found[0], color=False).encode())
        refused(lambda: json.loads(to_json(diagnosis, found[0])))


@tries(6)
@given(data=tampered(SMALL))
def test_a_record_of_a_stranger_is_a_page_or_refused(data):
    found = []
    if refused(lambda: found.append(Record.from_dict(data.value))) is None:
        diagnosis = Diagnosis("healthy", ())
        refused(lambda: check_page(to_html(diagnosis, found[0])))


def test_every_hostile_text_stays_a_word():
    for name in TEXTS:
        diagnosis, record = named(name, name[:200])
        assert len(to_text(diagnosis, record, color=False)) > 0
        assert json.loads(to_json(diagnosis, record))["notes"][0] is not None
