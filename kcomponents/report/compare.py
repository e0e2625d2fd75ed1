"""A web page that compares several runs side by side."""

import pathlib
from collections.abc import Sequence

from kcomponents._checks import fail
from kcomponents._files import Path
from kcomponents._pages.page import page
from kcomponents._text import labels, number, setting_text
from kcomponents.doctor import Diagnosis
from kcomponents.record import Record
from kcomponents.report._contents import (
    diagnosis_of,
    epochs_line,
    last,
    layers_line,
    lowest,
    settings_of,
)
from kcomponents.report._curve_panels import runs_panels


def compare(
    records: Sequence[Record | tuple[Diagnosis, Record]],
    names: Sequence[str] | None = None,
    path: Path | None = None,
) -> str:
    """Return a web page that compares several training runs.

    It shows each run's verdict and losses, the settings that differ, and the loss
    curves in one plot. Requires jinja2 and matplotlib: `pip install
    "kcomponents[report]"`.

    Args:
        records: List of two or more runs, each a `Record`, which is examined, or a
            pair of a `Diagnosis` and a `Record`.
        names: List of strings, one unique name per run. Defaults to `None`, the names
            of the records' files, or `"run 1"`, `"run 2"` and so on.
        path: Path of the HTML file to write. Defaults to `None`, no file.

    Returns:
        String: the HTML of the page, which needs no other files.

    Raises:
        ValueError: If there are fewer than two runs, or `names` does not have one
            unique name per run.
        FileNotFoundError: If the folder of `path` does not exist.
        ImportError: If jinja2 or matplotlib is not installed.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> from kcomponents.record import Record
        >>> from kcomponents.report import compare
        >>> slow, fast = Record({"precision": "float32"}), Record()
        >>> good = Diagnosis("healthy", ())
        >>> page = compare([(good, slow), (good, fast)], ["slow", "fast"])
        >>> page[:15], "fast" in page
        ('<!DOCTYPE html>', True)
    """
    pairs = [_pair(item) for item in records]
    if len(pairs) < 2:
        fail("`records` must have at least two runs.", records=len(pairs))
    names = _names([record for _, record in pairs], names)
    short = labels(names, 18)
    runs = [
        {
            "name": name,
            "short": short[name],
            "diagnosis": diagnosis,
            "epochs": epochs_line(record),
            "loss": _number(last(record, "loss")),
            "best": _best(lowest(record, "val_loss")),
        }
        for name, (diagnosis, record) in zip(names, pairs, strict=True)
    ]
    named = dict(zip(names, (record for _, record in pairs), strict=True))
    panels, keys = runs_panels(named)
    rows = _differing_settings([_all_settings(record) for record in named.values()])
    values = {"runs": runs, "panels": panels, "keys": keys, "settings": rows}
    return page("kcomponents.report", "compare.html", path, **values)


def _pair(item):
    pair = item if isinstance(item, tuple | list) else (None, item)
    if len(pair) != 2 or not isinstance(pair[1], Record):
        rule = "Each of `records` must be a `Record` or a pair (diagnosis, record)."
        fail(rule, record=item)
    return diagnosis_of(*pair), pair[1]


def _names(records, names):
    if names is None:
        files = [record.path and pathlib.Path(record.path).stem for record in records]
        fit = all(files) and len(set(files)) == len(files)
        return files if fit else [f"run {n}" for n in range(1, len(records) + 1)]
    names = [names] if isinstance(names, str) else [str(name) for name in names]
    if len(names) != len(records) or len(set(names)) != len(names):
        rule = f"`names` must be {len(records)} unique names, one per run."
        fail(rule, names=names)
    return names


def _number(value):
    return "none" if value is None else number(value, 4)


def _best(value_and_epoch):
    if value_and_epoch is None:
        return "none"
    value, epoch = value_and_epoch
    return f"{number(value, 4)} in epoch {epoch:,}"


def _all_settings(record):
    return {**settings_of(record), "layers": layers_line(record)}


def _differing_settings(settings):
    """Return a row for each setting that differs between runs."""
    names = dict.fromkeys(name for run in settings for name in run)
    rows = {name: [run.get(name) for run in settings] for name in names}
    return [
        (name, list(map(_setting, row)))
        for name, row in rows.items()
        if any(value != row[0] for value in row)
    ]


def _setting(value):
    return "not set" if value in (None, "") else setting_text(value)
