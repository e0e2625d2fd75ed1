"""The trials of a search as a table for spreadsheets and for pandas."""

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
# A spreadsheet runs what begins like a formula, in some countries in wide letters too.
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def to_csv(results):
    """Return one row for each trial as CSV, in the order of the trials.

    After the columns of the trial stands one for each hyper-parameter, `hp.` before its
    name; where one is inactive, its cell is empty. Numbers keep all their digits. Text
    comes in one line, and with a `'` in front where a spreadsheet would take it for a
    formula and it is no number.

    Args:
        results: Dict of plain values, as a search gives of itself.
    """
    trials = results["trials"]
    known = [part["name"] for part in results["space"]]
    names = dict.fromkeys([*known, *(n for trial in trials for n in trial["values"])])
    file = io.StringIO()
    # A line ends in one letter, as in the other files of a search.
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, *(one_line(f"hp.{name}") for name in names)])
    for trial in trials:
        cells = [_cell(_told(trial, name)) for name in COLUMNS]
        writer.writerow([*cells, *(_value(trial["values"], name) for name in names)])
    return file.getvalue()


def _told(trial, name):
    given = trial[name]
    return "; ".join(given) if name == "findings" else given


def _value(values, name):
    if name not in values:
        return None
    # An empty cell would say that it is inactive.
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
