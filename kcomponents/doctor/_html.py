"""A diagnosis as HTML for notebooks: a sentence, a table of findings, notes."""

from html import escape
from typing import Any

# Notebooks align table cells to the right by default.
CELL = 'style="text-align: left; vertical-align: top"'
HEADS = ("finding", "evidence", "what helps")


def shown(diagnosis: Any) -> str:
    """Return a diagnosis as self-contained HTML; all its strings are escaped."""
    parts = [f"<p><b>{_text(diagnosis.sentence)}</b></p>"]
    if diagnosis.findings:
        heads = "".join(f"<th {CELL}>{head}</th>" for head in HEADS)
        rows = "".join(_row(finding) for finding in diagnosis.findings)
        parts.append(f"<table><tr>{heads}</tr>{rows}</table>")
    if diagnosis.notes:
        notes = "".join(f"<li>{_text(note)}</li>" for note in diagnosis.notes)
        parts.append(f"<p>Notes</p><ul>{notes}</ul>")
    return f"<div>{''.join(parts)}</div>"


def _row(finding: Any) -> str:
    """Return a table row: label and place, evidence, remedies."""
    name = f"<b>{_text(finding.label)}</b> ({_text(finding.severity)})"
    place = f"<br>{_text(finding.where)}" if finding.where else ""
    evidence = "<br>".join(_text(sentence) for sentence in finding.evidence)
    helps = "".join(_remedy(remedy) for remedy in finding.remedies)
    cells = (name + place, evidence, helps)
    return "<tr>" + "".join(f"<td {CELL}>{cell}</td>" for cell in cells) + "</tr>"


def _remedy(remedy: Any) -> str:
    """Return the reason for a remedy, and its code."""
    code = f"<pre>{_text(remedy.code)}</pre>" if remedy.code else ""
    return f"<p>{_text(remedy.reason)}</p>{code}"


def _text(value: Any) -> str:
    return escape(str(value))
