"""Loss and metrics over epochs, on training and validation data."""

from kcomponents.report._given import dicts, part
from kcomponents.report._panels.lines import Line, Scale, lines_drawing
from kcomponents.report._panels.panel import Panel
from kcomponents.report._series import is_finite, log_series, span
from kcomponents.report._svg import SERIES
from kcomponents.report._words import number, one_line

MOST_METRICS = 6
RATES = {"learning_rate", "lr"}


def loss_curves(record, where, key):
    """Return the loss panel, with the loss of the best constant prediction."""
    series = log_series(record)
    if not {"loss", "val_loss"} & set(series):
        return []
    known = part(record.structure, "data", "baseline_loss")
    baseline = known if is_finite(known) else None
    note = "Mean over each epoch."
    if baseline is not None:
        note = "Mean over each epoch. A model should beat the best constant prediction."
    return [_curves(record, "loss", "Loss", note, key, baseline)]


def metric_curves(record, where, key):
    """Return a panel for each metric, with its training and validation values."""
    series = log_series(record)
    plain = dict.fromkeys(name.removeprefix("val_") for name in series)
    asked = [name for name in plain if name != "loss" and name not in RATES]
    found = []
    for count, name in enumerate(asked[:MOST_METRICS]):
        baseline = _baseline_accuracy(record, name)
        title = one_line(name.replace("_", " "))
        title = title[:1].upper() + title[1:]
        left = len(asked) - MOST_METRICS
        last = count == MOST_METRICS - 1 and left > 0
        note = f"{left} more metrics are not shown." if last else ""
        found.append(_curves(record, name, title, note, f"{key}{count}", baseline))
    return found


def _baseline_accuracy(record, name):
    outputs = dicts(part(record.structure, "data", "outputs"))
    known = outputs[0].get("baseline_accuracy") if len(outputs) == 1 else None
    fits = "acc" in name and "top" not in name and is_finite(known)
    return known if fits else None


def _curves(record, name, title, note, key, baseline):
    series = log_series(record)
    lines = []
    if name in series:
        lines.append(Line("training", "", series[name], SERIES[0]))
    if f"val_{name}" in series:
        values = series[f"val_{name}"]
        lines.append(Line("validation", "", values, SERIES[1], "dashed"))
    if name == "loss" and len(lines) == 2:
        lines += _best(lines[1].values)
    levels: tuple = ()
    if baseline is not None:
        levels = ((f"best constant prediction ({number(float(baseline))})", baseline),)
    scale = Scale(levels=levels)
    svg, keys = lines_drawing(lines, scale, key=key, title=title, span=span(record))
    return Panel(title, note, svg, keys)


def _best(values):
    """Return a marker at the best validation loss, unless it is the last one."""
    known = {epoch: v for epoch, v in values.items() if is_finite(v)}
    if not known:
        return []
    best = min(known, key=lambda epoch: known[epoch])
    if best == list(values)[-1]:
        return []
    label = f"best validation loss (epoch {best:,})"
    return [Line(label, "", {best: known[best]}, SERIES[1], point=(best,))]
