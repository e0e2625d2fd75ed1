"""The trials of a search as a CSV table, for spreadsheets and pandas."""

import csv
import io

from kcomponents._text import one_line

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
    names = dict.fromkeys(part["name"] for part in results["space"])
    # A value that the space does not name has a column too.
    names.update(dict.fromkeys(name for trial in trials for name in trial["values"]))
    file = io.StringIO()
    # The other files of a search have Unix line ends too.
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, *(one_line(f"hp.{name}") for name in names)])
    for trial in trials:
        cells = [_cell(_column(trial, name)) for name in COLUMNS]
        cells += [_hyperparameter(trial["values"], name) for name in names]
        writer.writerow(cells)
    return file.getvalue()


def _column(trial, name):
    value = trial[name]
    return "; ".join(value) if name == "findings" else value


def _hyperparameter(values, name):
    if name not in values:
        return None
    # An empty cell would mean that it is inactive.
    return "none" if values[name] is None else _cell(values[name])


def _cell(value):
    if value is None or isinstance(value, bool | int | float):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
