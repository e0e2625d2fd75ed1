"""A diagnosis as text for the console."""

import os
import sys
import textwrap

from kcomponents._text import choices, clean, one_line, setting_text
from kcomponents.doctor import Diagnosis
from kcomponents.record import Record
from kcomponents.report._contents import (
    diagnosis_of,
    epochs_line,
    missing_facts,
    settings_of,
    versions_of,
)

WIDTH = 80
RED, YELLOW, GREEN, BOLD, FAINT = "31", "33", "32", "1", "2"
COLORS = {
    "healthy": GREEN,
    "overfitting": YELLOW,
    "high": RED,
    "medium": YELLOW,
    "low": FAINT,
}
# The settings that are shown, in one line.
SETTINGS = "optimizer", "learning_rate", "loss", "batch_size", "parameters", "backend"


def to_text(
    diagnosis: Diagnosis | None,
    record: Record | None = None,
    *,
    color: bool | None = None,
) -> str:
    """Return a diagnosis as text for the console.

    Args:
        diagnosis: `Diagnosis`, or `None` to examine the record.
        record: `Record` of the run, which adds notes and settings. Defaults to `None`,
            without them.
        color: Boolean, whether to use terminal colors. Defaults to `None`: only if the
            standard output is a terminal and `NO_COLOR` is not set.

    Returns:
        String: lines of at most 80 characters, apart from code and settings.

    Raises:
        ValueError: If both are `None`, or one has another type.

    Example:
        >>> from kcomponents.doctor import Diagnosis, Finding, Remedy
        >>> from kcomponents.report import to_text
        >>> remedy = Remedy("hidden_activation", ("relu",), "It lets gradients pass.")
        >>> seen = "The gradient of the first layer is 1e-9."
        >>> finding = Finding("vanishing_gradient", "first", (seen,), "high", (remedy,))
        >>> print(to_text(Diagnosis("optimization_failure", (finding,))))
        The model does not even fit the training data. The gradient of the first layer
        is 1e-9.
        <BLANKLINE>
        1  vanishing_gradient  high  first
           The gradient of the first layer is 1e-9.
           Try hidden_activation = relu. It lets gradients pass.
    """
    diagnosis = diagnosis_of(diagnosis, record)
    if color is None:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    paint = _paint if color else _plain
    verdict = paint(_wrapped(diagnosis.sentence, ""), BOLD, _color(diagnosis.verdict))
    parts = [verdict]
    for count, finding in enumerate(diagnosis.findings, 1):
        parts.append(_finding(count, finding, paint))
    notes = [*diagnosis.notes, *(missing_facts(record) if record else ())]
    if notes:
        lines = [_wrapped(note, "   ", "-  ") for note in notes]
        parts.append("\n".join([paint("Notes", BOLD), *lines]))
    if record and _settings(record):
        parts.append(paint("Settings", BOLD) + "\n" + _settings(record))
    return "\n\n".join(parts)


def _plain(text, *codes):
    return text


def _paint(text, *codes):
    return f"\033[{';'.join(codes)}m{text}\033[0m"


def _color(verdict):
    return COLORS.get(verdict, RED)


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
    color = COLORS.get(finding.severity, FAINT)
    severity = paint(one_line(finding.severity), color)
    label = paint(one_line(finding.label), BOLD)
    head = [f"{count}  {label}", severity, one_line(finding.where)]
    lines = ["  ".join(part for part in head if part)]
    lines += [_wrapped(sentence, "   ") for sentence in finding.evidence]
    for remedy in finding.remedies:
        lines += _remedy(remedy, paint)
    return "\n".join(lines)


def _remedy(remedy, paint):
    values = " or ".join(choices(remedy.values))
    advice = f"Try {remedy.setting} = {values}. " if values else ""
    lines = [_wrapped(advice + remedy.reason, "   ")]
    code = clean(remedy.code).splitlines()
    return lines + [paint(f"       {line}", FAINT) for line in code]


def _settings(record):
    """Return the known settings in one line."""
    settings = settings_of(record)
    parts = [
        f"{name} {setting_text(settings[name])}"
        for name in SETTINGS
        if name in settings
    ]
    if record.logs:
        parts.append(f"epochs {epochs_line(record)}")
    versions = versions_of(record)
    parts += [f"{name} {versions[name]}" for name in ("keras",) if name in versions]
    return one_line(", ".join(parts))
