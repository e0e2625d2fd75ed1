"""Loss curves of several runs in one plot."""

from kcomponents.report._panels.lines import Line, Scale, lines_drawing
from kcomponents.report._panels.panel import DASHES, Key, Panel
from kcomponents.report._series import log_series, span
from kcomponents.report._svg import SERIES
from kcomponents.report._words import labels

SHOWN = {"loss": "Loss", "val_loss": "Validation loss"}


def runs_panels(records):
    """Return the panels of named records, and a legend entry for each record."""
    short = labels(records, 36)
    keys = [_key(number, name, short) for number, name in enumerate(records)]
    spans = [span(record) for record in records.values() if span(record)]
    panels = []
    for kind, title in SHOWN.items():
        lines = [
            Line(key.label, key.name, log_series(record)[kind], key.color, key.dash)
            for key, record in zip(keys, records.values(), strict=True)
            if kind in log_series(record)
        ]
        if lines:
            over = min(a for a, _ in spans), max(b for _, b in spans)
            svg, shown = lines_drawing(lines, Scale(), key=kind, title=title, span=over)
            panels.append(Panel(title, _note(lines, records), svg, shown))
    return panels, keys


def _key(number, name, short):
    # When the colors are used up, they repeat with another dash pattern.
    dash = list(DASHES)[number // len(SERIES) % len(DASHES)]
    return Key(short[name], name, SERIES[number % len(SERIES)], dash)


def _note(lines, records):
    if len(lines) == len(records):
        return ""
    return f"Logged by {len(lines)} of {len(records)} runs."
