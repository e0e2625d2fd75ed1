"""Several trainings on one page."""

import math
import re

import pytest

from kcomponents.doctor import Diagnosis, examine
from kcomponents.record import Record
from kcomponents.report import compare
from tests.report import records
from tests.report.test_to_html import Page

pytestmark = pytest.mark.any_backend


def slow():
    return records.healthy(epochs=12, rate=0.0001)


def test_each_training_has_its_verdict_and_its_numbers():
    page = Page(compare([records.sick(), slow()], ["deep", "slow"])).text
    for diagnosis, _ in (records.sick(), slow()):
        assert diagnosis.sentence in page
    _, record = slow()
    assert f"{record.logs[-1]['loss']:.4g}" in page
    assert re.search(r"[\d.]+ in epoch 12", page)


def test_only_settings_that_differ_are_shown():
    page = Page(compare([records.healthy(), slow()])).text
    settings = page.split("Settings that differ")[1]
    assert "0.0001" in settings and "learning_rate" in settings
    assert "batch_size" not in settings and "layers" not in settings


def test_equal_settings_are_called_so():
    assert "All settings in the records are the same" in compare([slow(), slow()])


def test_the_curves_lie_over_each_other():
    page = compare([records.healthy(), slow()], ["one", "two"])
    plots = re.findall(r'<svg viewBox="[^"]*" class="plot".*?</svg>', page, re.DOTALL)
    assert len(plots) == 2
    assert all("var(--s0)" in plot and "var(--s1)" in plot for plot in plots)
    assert len(Page(page).ids) == len(set(Page(page).ids))


def test_a_record_alone_is_examined():
    _, record = slow()
    given = compare([record, record], ["a", "b"])
    pair = examine(record), record
    assert given == compare([pair, pair], ["a", "b"])


def test_names_default_to_those_of_the_files(tmp_path):
    files = [Record({}, tmp_path / f"{name}.jsonl") for name in ("calm", "wild")]
    assert {"calm", "wild"} <= set(Page(compare(files)).text.split())
    assert "run 2" in Page(compare([Record(), Record()])).text


def test_names_stay_text():
    page = compare([slow(), slow()], ["<script>x</script>", "$a^b$\u202e"])
    assert "<script" not in page and "\u202e" not in page
    assert "<script>x</script>" in Page(page).text


def test_many_trainings_keep_apart():
    page = compare([slow() for _ in range(10)])
    styles = re.findall(r'<span class="run">.*?</span>', page, re.DOTALL)
    assert len(styles) == 10
    swatches = {re.search(r"<path[^>]*>", style)[0] for style in styles}
    assert len(swatches) == 10


def test_broken_and_empty_records_are_shown():
    record = Record()
    record.add_logs(0, {"loss": math.nan, "val_loss": math.inf})
    page = Page(compare([Record(), record], ["empty", "broken"])).text
    assert "NaN" in page and "none" in page


def test_the_same_trainings_give_the_same_page(tmp_path):
    path = tmp_path / "page.html"
    page = compare([records.sick(), slow()], path=path)
    assert page == compare([records.sick(), slow()]) == path.read_text("utf-8")


def test_fewer_than_two_are_refused():
    for few in ([], [slow()]):
        with pytest.raises(ValueError, match="at least two"):
            compare(few)


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", "b", "c"], "ab"])
def test_names_that_do_not_fit_are_refused(names):
    with pytest.raises(ValueError, match="`names` must be 2 unique names"):
        compare([slow(), slow()], names)


@pytest.mark.parametrize("thing", ["run.jsonl", (1, 2, 3), Diagnosis("healthy", ())])
def test_what_is_no_training_is_refused(thing):
    with pytest.raises(ValueError, match="must be a `Record`"):
        compare([thing, slow()])
