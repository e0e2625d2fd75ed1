"""The trials of a search as a CSV table, for spreadsheets and pandas."""

import csv
import io

from kcomponents.report._words import one_line

COLUMNS = (
    "id",
    "kind",
    "of",
    "state",
    "reason",
    "score",
    "best_epoch",
    "epochs",
    "seconds",
    "peak_memory",
    "parameters",
    "seed",
    "worker",
    "attempts",
    "reused",
    "started",
    "ended",
    "findings",
    "message",
)
# Spreadsheets run cells that start with these as formulas; some accept wide forms.
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def to_csv(results):
    """Return one CSV row per trial.

    Each hyperparameter has a column `hp.<name>`, empty where it is inactive. Epochs
    count from 1. Numbers keep all their digits. Text is on one line, and starts with
    a `'` where a spreadsheet would read it as a formula.

    Args:
        results: Dict of plain values, `Search.results`.

    Returns:
        String: the table with a header.
    """
    trials = results["trials"]
    known = [part["name"] for part in results["space"]]
    names = dict.fromkeys([*known, *(n for trial in trials for n in trial["values"])])
    file = io.StringIO()
    # The other files of a search have Unix line ends too.
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, *(one_line(f"hp.{name}") for name in names)])
    for trial in trials:
        cells = [_cell(_column(trial, name)) for name in COLUMNS]
        writer.writerow([*cells, *(_value(trial["values"], name) for name in names)])
    return file.getvalue()


def _column(trial, name):
    given = trial[name]
    return "; ".join(given) if name == "findings" else given


def _value(values, name):
    if name not in values:
        return None
    # An empty cell would mean that it is inactive.
    return "none" if values[name] is None else _cell(values[name])


def _cell(given):
    if given is None or isinstance(given, bool | int | float):
        return given
    text = one_line(given)
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
