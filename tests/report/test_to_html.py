"""The page: complete, self-contained, and safe from names of strangers."""

import builtins
import html.parser
import math
import re
import sys

import pytest

from kcomponents.doctor import LABELS, Diagnosis, Finding, Remedy, examine
from kcomponents.record import Reading, Record
from kcomponents.report import to_html
from kcomponents.report._contents import epoch_span
from tests.report import records

pytestmark = pytest.mark.any_backend


class Page(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.links, self.words = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        known = dict(attrs)
        self.ids += [known["id"]] if "id" in known else []
        used = re.findall(r"url\(#([^)]*)\)", " ".join(v or "" for v in known.values()))
        link = known.get("href") or ""
        self.links += used + ([link[1:]] if link[:1] == "#" else [])

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def sick_page():
    return to_html(*records.sick())


@pytest.fixture(scope="module")
def monstrous_page():
    return to_html(*records.monstrous())


@pytest.mark.parametrize(("known", "told"), [(2.3, True), (math.nan, False)])
def test_the_best_constant_is_told_where_its_loss_is_a_number(known, told):
    diagnosis, record = records.sick()
    record.structure["data"]["baseline_loss"] = known
    text = Page(to_html(diagnosis, record)).text
    assert ("should beat the best constant prediction" in text) == told


def test_the_best_constant_stands_in_panels_of_the_accuracy_only():
    diagnosis, record = records.sick()
    level = "best constant prediction (0.102)"
    before = Page(to_html(diagnosis, record)).text.count(level)
    for entry in record.logs:
        entry |= {"top_5_accuracy": 0.5, "error": 0.2}
    text = Page(to_html(diagnosis, record)).text
    assert "Top 5 accuracy" in text and text.count(level) == before > 0


def test_axes_have_the_epochs_of_logs_and_of_readings():
    _, logged = records.sick()
    logged.readings.clear()
    assert epoch_span(logged) == (1, 20)
    record = Record()
    for epoch in (2, 4):
        record.add(Reading(epoch=epoch, step=1, values={}))
    assert epoch_span(record) == (3, 5)


def test_the_page_has_all_of_the_diagnosis(sick_page):
    diagnosis, _ = records.sick()
    text = Page(sick_page).text
    assert diagnosis.sentence in text
    for finding in diagnosis.findings:
        assert finding.where in text
        assert all(sentence in text for sentence in finding.evidence)
        for remedy in finding.remedies:
            assert remedy.reason in text
            assert " ".join(remedy.code.split()) in text
    assert all(note in text for note in diagnosis.notes)


def test_the_page_has_settings_layers_and_versions(sick_page):
    text = Page(sick_page).text
    for words in ("learning_rate", "0.001", "SparseCategoricalCrossentropy", "21,450"):
        assert words in text
    assert "classifier/hidden_3" in text and "3.15.1" in text


def test_each_finding_stands_beside_its_picture(sick_page):
    kinds = re.findall(r'id="finding(\d)-(\w+)-figure_1"', sick_page)
    assert kinds == [("1", "gradients"), ("2", "saturated"), ("3", "updates")]


@pytest.mark.parametrize("label", sorted(LABELS))
def test_every_label_has_a_picture(label):
    _, record = records.healthy(epochs=3)
    page = to_html(Diagnosis("not_learning", (Finding(label, "", ("So.",)),)), record)
    assert 'id="finding1-' in page


def test_the_picture_marks_the_layer_concerned(sick_page):
    bold = re.findall(r'<li class="strong" title="([^"]*)"', sick_page)
    assert bold == ["classifier/hidden_1"]


def test_nothing_outside_the_page_is_needed(sick_page, monstrous_page):
    for page in (sick_page, monstrous_page):
        assert not re.search(r"https?:|[\"'(]//|@import|<link", page)
        assert not {"script", "img", "object", "iframe"} & set(Page(page).tags)
        assert not re.search(r"\son\w+=", re.sub(r">[^<]*<", "><", page))


def test_names_of_the_model_stay_text(monstrous_page):
    text = Page(monstrous_page).text
    for number in range(5):
        name = records.monstrous_name(number).replace("\u202e", "\ufffd")
        assert name in text
    assert "<script" not in monstrous_page and "\u202e" not in monstrous_page


def test_names_stay_text_in_pictures_and_are_no_formulas(monstrous_page):
    pictures = "".join(re.findall(r"<svg.*?</svg>", monstrous_page, re.DOTALL))
    assert "&lt;scrip" in pictures and "$x_20^2$" in pictures
    assert "tspan" not in pictures


def test_every_text_that_comes_in_is_escaped():
    bad = "<b id=x>&\"'"
    remedy = Remedy(bad, (bad,), bad, bad)
    diagnosis = Diagnosis(
        "not_learning", (Finding(bad, bad, (bad,), bad, (remedy,)),), (bad,)
    )
    _, record = records.healthy(epochs=2)
    facts = record.structure | {bad: bad, "versions": {bad: bad}, "precision": bad}
    facts |= {"model": {"name": bad, "class": bad}, "backend": [bad], "loss": bad}
    facts |= {"optimizer": {"class": bad, "config": {bad: bad}}, "metrics": [bad]}
    record.structure = facts
    record.add(Reading(0, 1, {"gradient_norm": {bad: 1.0}, "dead_units": {bad: 1.0}}))
    record.add_logs(0, {bad: 1.0})
    page = to_html(diagnosis, record)
    assert "<b" not in page.replace("<body", "") and Page(page).text.count(bad) > 10


def test_names_between_backquotes_are_set_as_code():
    diagnosis = Diagnosis("healthy", (), ("`<b>` is `fit`'s.", "A ` alone."))
    page = to_html(diagnosis, Record())
    assert "<code>&lt;b&gt;</code> is <code>fit</code>&#39;s." in page
    assert "A ` alone." in page


def picture(title, page):
    """Return the text of a picture of this title."""
    start = f'<svg[^>]*aria-label="{title} over'
    return re.search(f"{start}.*?</svg>", page, re.DOTALL)[0]


def heights(svg, place):
    """Return how far below the top the points of a line are."""
    style = rf'clip-path="[^"]*" style="[^"]*var\(--s{place}\)'
    line = re.search(rf'<path d="([^"]*)" {style}', svg)[1]
    return [float(y) for y in re.findall(r"[ML] \S+ (\S+)", line)]


def test_a_layer_at_rest_is_seen():
    record = Record()
    for epoch in range(3):
        values = {"net/a/kernel": 0.0, "net/b/kernel": 1e-3}
        record.add(Reading(epoch, epoch + 1, {"update_ratio": values}))
    page = to_html(examine(record), record)
    assert "Values of 0 are drawn at the bottom." in page
    svg = picture("Update ratio", page)
    [frame] = re.findall(r'patch_2">\s*<path d="([^"]*)"', svg)
    bottom = max(float(y) for y in re.findall(r"[ML] \S+ (\S+)", frame))
    assert heights(svg, 0) == [bottom] * 3 > heights(svg, 1)


@pytest.mark.parametrize(
    ("last", "logarithmic"),
    [
        (0.021, False),
        (0.019, True),
        # A logarithmic axis has no place for 0, nor for what hardly differs from it.
        (1e-99, True),
        (1e-100, False),
        (0.0, False),
        (-1.0, False),
    ],
)
def test_losses_more_than_50_fold_apart_have_a_logarithmic_axis(last, logarithmic):
    record = Record()
    for epoch, loss in enumerate((1.0, 0.5, last)):
        record.add_logs(epoch, {"loss": loss})
    svg = picture("Loss", to_html(examine(record), record))
    assert (">0</text>" not in svg) == logarithmic
    first, middle, end = heights(svg, 0)
    assert first < middle < end


def test_ids_are_unique_and_every_link_finds_one(sick_page, monstrous_page):
    for page in map(Page, (sick_page, monstrous_page)):
        assert len(page.ids) == len(set(page.ids)) > 0
        assert set(page.links) <= set(page.ids)


def test_pictures_have_words_for_those_who_do_not_see_them(sick_page):
    plots = re.findall(r"<svg[^>]*class=\"plot\"[^>]*>", sick_page)
    assert plots and all('role="img" aria-label="' in plot for plot in plots)
    assert all(
        'aria-hidden="true"' in s
        for s in re.findall(r"<svg[^>]*>", sick_page)
        if s not in plots
    )


def test_pictures_have_the_colors_of_the_page(sick_page):
    pictures = "".join(re.findall(r"<svg.*?</svg>", sick_page, re.DOTALL))
    assert "var(--s0)" in pictures and "var(--muted)" in pictures
    assert not re.search(r"(fill|stroke): ?#", pictures)
    assert "prefers-color-scheme: dark" in sick_page and "@media print" in sick_page


def test_a_verdict_has_a_sign_besides_its_color():
    signs = {}
    for verdict in ("healthy", "overfitting", "not_learning"):
        page = to_html(Diagnosis(verdict, ()), Record())
        signs[verdict] = re.search(r'<svg class="sign".*?</svg>', page, re.DOTALL)[0]
    assert len(set(signs.values())) == 3


def test_the_same_training_gives_the_same_page(sick_page, monstrous_page):
    assert to_html(*records.sick()) == sick_page
    assert to_html(*records.monstrous()) == monstrous_page


def test_settings_of_matplotlib_do_not_matter(sick_page):
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        assert to_html(*records.sick()) == sick_page


def test_many_layers_are_thinned(monstrous_page):
    assert "The 8 most extreme of 200 are shown." in monstrous_page
    plot = re.search(r'id="all-gradients.*?</svg>', monstrous_page, re.DOTALL)[0]
    assert 10 <= plot.count("<text") <= 30


def test_a_page_without_numbers_says_what_is_missing():
    page = to_html(examine(Record()), Record())
    assert "No epoch has finished" in page and "no measurements" in page
    assert 'class="plot"' not in page


@pytest.mark.parametrize("absent", ["fit", "data", "versions", "layers", "variables"])
def test_parts_of_a_structure_may_be_absent(absent):
    diagnosis, record = records.sick()
    for value in (None, 5, []):
        record.structure = {**record.structure, absent: value}
        assert diagnosis.sentence in Page(to_html(diagnosis, record)).text


BROKEN = [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, 5e-324, 1e-45]


@pytest.mark.parametrize("number", BROKEN)
def test_broken_numbers_are_drawn(number):
    record, diagnosis = Record(), records.sick_diagnosis()
    kinds = "gradient_norm", "update_ratio", "weight_norm", "dead_units", "saturated"
    for epoch in (0, 1, 2, 7):
        values = {kind: {"net/a": number, "net/b": float(epoch)} for kind in kinds}
        record.add(Reading(epoch, epoch + 1, values))
        record.add_logs(epoch, {"loss": number, "val_loss": 1.0, "accuracy": number})
    page = to_html(diagnosis, record)
    assert ("NaN or infinite" in page) == (not abs(number) < 1e100)


def test_a_training_that_broke_at_once_is_drawn():
    record = Record()
    record.add_logs(0, {"loss": math.nan, "val_loss": math.nan})
    record.add(Reading(0, 1, {"gradient_norm": {"a/kernel": math.nan}}))
    assert "NaN or infinite" in to_html(examine(record), record)


def test_gaps_between_epochs_keep_their_width():
    record = Record()
    for epoch in (0, 1, 2, 50):
        record.add(Reading(epoch, epoch + 1, {"gradient_norm": {"a/kernel": 1.0}}))
    page = to_html(examine(record), record)
    ticks = re.findall(r">(\d+)</text>", page)
    assert {"1", "20", "40"} <= set(ticks)


def test_a_run_that_is_still_going_is_called_so():
    diagnosis, record = records.healthy(epochs=4)
    record.structure["fit"]["epochs"] = 10
    assert "4 of 10" in to_html(diagnosis, record)


def test_the_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch, sick_page):
    path = tmp_path / "page.html"
    path.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            to_html(*records.sick(), path)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    assert to_html(*records.sick(), path) == sick_page
    assert path.read_text(encoding="utf-8") == sick_page
    with pytest.raises(FileNotFoundError, match="Create it first"):
        to_html(*records.sick(), tmp_path / "none" / "page.html")


def test_half_a_character_can_be_written(tmp_path):
    record = Record({"model": {"name": "\ud83d", "class": "M"}})
    to_html(examine(record), record, tmp_path / "page.html")


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named(library, monkeypatch):
    from kcomponents._pages import page as page_module

    real = builtins.__import__
    for name in list(sys.modules):
        if name.split(".")[0] == library:
            monkeypatch.delitem(sys.modules, name)

    def without(name, *rest):
        if name.split(".")[0] == library:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(sys.modules, library, None)
    page_module._environment.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "kcomponents\[report\]"'):
        to_html(*records.sick())


def test_what_is_no_diagnosis_or_record_is_refused():
    with pytest.raises(ValueError, match="`record` must be a `Record`"):
        to_html(records.sick_diagnosis(), None)
    with pytest.raises(ValueError, match="`diagnosis` must be a `Diagnosis`"):
        to_html("sick", Record())
