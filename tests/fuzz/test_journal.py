"""The journal of a search: what is left of it is read, the rest refused in words."""

import contextlib
import io
import pathlib
import random
import shutil

import keras_tuner
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcomponents.__main__ import main
from kcomponents.tuning._storage.project import open_store, results_in
from kcomponents.tuning._storage.store import Store
from tests import random_cases
from tests.fuzz import journals
from tests.fuzz.hostile import MARKUP, text, tries
from tests.fuzz.refusing import refusal
from tests.fuzz.tampering import damaged
from tests.fuzz.test_reports import check_page

pytestmark = pytest.mark.any_backend

OBJECTIVE = {"name": "val_loss", "direction": "min"}


def journal(name="search", message="It is NaN."):
    """Write the journal of a search of two trials, and return its bytes."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("activation", ["relu", "tanh"])
    store = Store("made/journal.log", name, "minimize")
    store.set_fact("space", hp.get_config())
    store.set_fact("objective", OBJECTIVE)
    store.set_fact("settings", {"max_trials": 2, "seed": 0, "sampler": "tpe"})
    store.add({str(number): {"kind": "search"} for number in range(2)})
    first, second = store.trials()
    for trial in (first, second):
        store.claim(trial, "host:1:a")
    values = {"activation": "relu"}
    store.note(first, values=values, score=0.5, curves={"loss": [1.0, 0.5]})
    store.finish(first, "complete", 0.5)
    store.note(second, values=values, reason="nan", message=message)
    store.finish(second, "fail")
    content = pathlib.Path("made/journal.log").read_bytes()
    shutil.rmtree("made")
    return content


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    with contextlib.chdir(tmp_path_factory.mktemp("good")):
        return journal()


def run(*arguments):
    """Return the status of a command on a search, and what it said to whom."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["search", *arguments])
    return status, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def file_of(content):
    """Return a context with a journal, which must be as it was when it ends."""
    folder = pathlib.Path("runs")
    folder.mkdir()
    path = folder / "journal.log"
    path.write_bytes(content)
    yield folder
    assert path.read_bytes() == content
    shutil.rmtree(folder)


def test_a_good_journal_is_read(good):
    with file_of(good) as folder:
        assert results_in(open_store(str(folder)))["trials"][0]["score"] == 0.5
        status, out, err = run("status", str(folder))
        assert status == 0 and out.startswith("2/2 trials") and not err


@tries(60)
@given(data=st.data())
def test_a_damaged_journal_is_read_or_refused(good, data):
    with file_of(data.draw(damaged(good)).value) as folder:
        refusal(lambda: results_in(open_store(str(folder))), ours=True)


@tries(30)
@given(data=st.data())
def test_the_commands_say_what_is_wrong_with_a_journal(good, data):
    with file_of(data.draw(damaged(good)).value) as folder:
        for command in ("status", "verify"):
            status, out, err = run(command, str(folder))
            assert status in (0, 1, 2) and bool(err) == (status == 2)
            assert "Traceback" not in err


@pytest.mark.parametrize("name", MARKUP)
def test_names_of_strangers_are_no_markup_in_the_page_of_a_search(name):
    with file_of(journal(name, name)) as folder:
        assert run("report", str(folder), "-o", "page.html")[0] == 0
    page = pathlib.Path("page.html")
    check_page(page.read_text("utf-8"), "b")
    page.unlink()


@tries(5)
@given(name=text(), message=text())
def test_a_search_of_any_name_has_a_page_or_is_refused(name, message):
    try:
        content = journal(name, message)
    except (ValueError, UnicodeError):
        # Optuna takes no such name.
        shutil.rmtree("made", ignore_errors=True)
        return
    with file_of(content) as folder:
        status, _, err = run("report", str(folder), "-o", "page.html")
    assert status == (2 if err else 0)
    page = pathlib.Path("page.html")
    if page.exists():
        check_page(page.read_text("utf-8"), "b")
        page.unlink()


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    """Return all cases of the attack, and a function that tries one of them."""
    with journals.prepared(tmp_path_factory.mktemp("attack")) as (sandbox, template):
        every = dict(journals.cases(sandbox))

        def attempt(name, actions):
            with contextlib.chdir(sandbox):
                ends = journals.run_case(sandbox, template, every[name], actions)
            assert set(ends.values()) <= {"result", "refused"}, ends
            return ends

        yield every, attempt


@pytest.mark.parametrize("text", ["3/../../../victim", "9/../../../victim", ".."])
def test_a_resumed_search_refuses_a_slot_that_leads_out_of_the_project(attack, text):
    _, attempt = attack
    name = f"new row user_attrs/slot = {text!r}"
    assert attempt(name, journals.ACTIONS) == dict.fromkeys(journals.ACTIONS, "refused")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_search_of_a_tampered_journal_changes_nothing_outside(attack, seed):
    every, attempt = attack
    count = random_cases.cases(30, 300)
    drawn = random.Random(seed).sample(sorted(every), count)
    for number, name in enumerate(drawn):
        # To resume takes a training.
        attempt(name, journals.ACTIONS if number % 10 == 0 else ("status", "table"))
