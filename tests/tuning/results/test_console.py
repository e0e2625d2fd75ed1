"""The console: one line, a table in 80 columns, a summary."""

import io

import pytest

from kcomponents.tuning._results import console
from tests.tuning import made_results

pytestmark = pytest.mark.any_backend

KINDS = "finished", "running", "empty", "hostile", "plain"


def shown(results, width=80, terminal=False):
    rich = pytest.importorskip("rich.console")
    file = io.StringIO()
    settings = {"width": width, "force_terminal": terminal, "legacy_windows": False}
    rich.Console(file=file, **settings).print(console.table(results))
    return file.getvalue()


def test_the_line_says_how_far_it_is_what_is_best_and_what_failed():
    assert console.line(made_results.running()) == (
        "13/30 trials, best val_accuracy 0.9681 (trial 8: swish, l2), 1 running, "
        "4 pruned, 1 failed (nan), 2 min left"
    )


def test_the_line_counts_repeats_and_reasons():
    printed = console.line(made_results.finished())
    assert printed.startswith("60/60 trials, 8/8 repeats, best val_accuracy 0.9719")
    assert printed.endswith("18 pruned, 6 failed (nan 2, out_of_memory 2, crash 2)")


def test_the_line_of_nothing_is_short():
    assert console.line(made_results.empty()) == "0/30 trials"


def test_what_has_not_begun_can_be_shown():
    results = made_results.not_begun()
    assert console.line(results) == "0/0 trials" and "0/0 trials" in shown(results)
    assert console.summary(results) == "0 of 0 trials are done."


def test_a_grid_is_done_when_its_trials_are():
    results = made_results.plain(25) | {"sampler": "grid", "max_trials": 99}
    assert console.line(results).startswith("25/25 trials")


def test_the_baseline_is_named_while_nothing_else_is_known():
    results = made_results.finished(2)
    results["trials"] = results["trials"][:1]
    assert "(baseline: relu" in console.line(results)


@pytest.mark.parametrize("kind", KINDS)
def test_the_line_is_one_line_and_moves_no_cursor(kind):
    printed = console.line(getattr(made_results, kind)())
    assert "\n" not in printed and "\x1b" not in printed and "\u202e" not in printed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("terminal", [True, False])
def test_the_table_fits_in_80_columns(kind, terminal):
    from rich.cells import cell_len
    from rich.text import Text

    printed = shown(getattr(made_results, kind)(), terminal=terminal)
    lines = [Text.from_ansi(line).plain for line in printed.splitlines()]
    assert max(map(cell_len, lines)) <= 80


def test_the_table_shows_the_last_trials_and_those_that_run():
    printed = shown(made_results.running())
    assert "13     running" in printed and "9      nan" in printed
    assert "1 failed (nan)" in printed and "learning_rate=" in printed
    assert "12     completed        0.9665     20  4.6 s  maxout, l2" in printed


def test_values_of_more_than_16_characters_are_shortened_in_the_table():
    results = made_results.running()
    for trial, width in zip(results["trials"][-2:], (16, 17), strict=True):
        trial |= {"state": "running", "values": {"name": "a" * width}}
    printed = shown(results)
    assert "a" * 16 in printed and f"{'a' * 8}…{'a' * 7}" in printed


def test_names_are_no_markup():
    assert "[red]markup[/red]" in shown(made_results.hostile())


def test_the_summary_has_the_sentence_and_the_best_five():
    printed = console.summary(made_results.finished())
    assert "It beats the baseline" in " ".join(printed.split())
    rows = printed.split("\n\n")[1].splitlines()
    assert [row[:1] for row in rows] == [" ", "1", "2", "3", "4", "5"]
    assert "0.9719 ± 0.0018   2      +0.015 to +0.0282" in rows[1]
    assert "one seed only" in rows[5]
    assert max(map(len, printed.splitlines())) <= 80


def test_the_summary_of_nothing_is_a_sentence():
    printed = console.summary(made_results.empty(state="finished"))
    assert printed == "No trial has finished, so there is no winner."
