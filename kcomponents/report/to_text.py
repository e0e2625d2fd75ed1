"""to_text: a diagnosis for the console."""

import os
import sys
import textwrap

from kcomponents.doctor import Diagnosis
from kcomponents.record import Record
from kcomponents.report._given import diagnosed
from kcomponents.report._progress import epochs_line, missing
from kcomponents.report._settings import settings_of, shown, versions_of
from kcomponents.report._words import choices, clean, one_line

WIDTH = 80
RED, YELLOW, GREEN, BOLD, FAINT = "31", "33", "32", "1", "2"
COLOURS = {
    "healthy": GREEN,
    "overfitting": YELLOW,
    "high": RED,
    "medium": YELLOW,
    "low": FAINT,
}
LINE = "optimizer", "learning_rate", "loss", "batch_size", "parameters", "backend"


def to_text(
    diagnosis: Diagnosis | None,
    record: Record | None = None,
    *,
    color: bool | None = None,
) -> str:
    """Return a diagnosis as text for the console.

    Args:
        diagnosis: `Diagnosis`, or `None` to have the record examined.
        record: `Record` that the diagnosis is of, for the settings. Defaults to `None`,
            without them.
        color: Boolean, whether to use the colors of a terminal. Defaults to `None`: if
            the output is one, and the variable `NO_COLOR` is not set.

    Raises:
        ValueError: If neither is given, or one is something else.

    Example:
        >>> from kcomponents.doctor import Diagnosis, Finding, Remedy
        >>> from kcomponents.report import to_text
        >>> remedy = Remedy("hidden_activation", ("relu",), "It lets gradients pass.")
        >>> seen = "The gradient of the first layer is 1e-9."
        >>> finding = Finding("vanishing_gradient", "first", (seen,), "high", (remedy,))
        >>> print(to_text(Diagnosis("optimization_failure", (finding,))))
        The error is high on the training data already: The gradient of the first layer
        is 1e-9.
        <BLANKLINE>
        1  vanishing_gradient  high  first
           The gradient of the first layer is 1e-9.
           Try hidden_activation = relu. It lets gradients pass.
    """
    diagnosis = diagnosed(diagnosis, record)
    if color is None:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    paint = _paint if color else _leave
    verdict = paint(_wrapped(diagnosis.sentence, ""), BOLD, _color(diagnosis.verdict))
    parts = [verdict]
    for count, finding in enumerate(diagnosis.findings, 1):
        parts.append(_finding(count, finding, paint))
    notes = [*diagnosis.notes, *(missing(record) if record else ())]
    if notes:
        told = [_wrapped(note, "   ", "-  ") for note in notes]
        parts.append("\n".join([paint("Notes", BOLD), *told]))
    if record and _settings(record):
        parts.append(paint("Settings", BOLD) + "\n" + _settings(record))
    return "\n\n".join(parts)


def _leave(text, *codes):
    return text


def _paint(text, *codes):
    return f"\033[{';'.join(codes)}m{text}\033[0m"


def _color(verdict):
    return COLOURS.get(verdict, RED)


def _wrapped(text, indent, first=None):
    return textwrap.fill(
        one_line(text),
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _finding(count, finding, paint):
    color = COLOURS.get(finding.severity, FAINT)
    severity = paint(one_line(finding.severity), color)
    rule = paint(one_line(finding.rule), BOLD)
    head = [f"{count}  {rule}", severity, one_line(finding.where)]
    lines = ["  ".join(part for part in head if part)]
    lines += [_wrapped(sentence, "   ") for sentence in finding.evidence]
    for remedy in finding.remedies:
        lines += _remedy(remedy, paint)
    return "\n".join(lines)


def _remedy(remedy, paint):
    values = " or ".join(choices(remedy.values))
    told = f"Try {remedy.setting} = {values}. " if values else ""
    lines = [_wrapped(told + remedy.reason, "   ")]
    code = clean(remedy.code).splitlines()
    return lines + [paint(f"       {line}", FAINT) for line in code]


def _settings(record):
    """Return the settings in one line, those that are known."""
    known = settings_of(record)
    told = [f"{name} {shown(known[name])}" for name in LINE if name in known]
    if record.logs:
        told.append(f"epochs {epochs_line(record)}")
    versions = versions_of(record)
    told += [f"{name} {versions[name]}" for name in ("keras",) if name in versions]
    return one_line(", ".join(told))
