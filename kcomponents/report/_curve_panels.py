"""Line plots over epochs, and the panels of losses, of metrics and of several runs."""

import dataclasses

from kcomponents._pages import drawing as scales
from kcomponents._pages.drawing import (
    BAD,
    BAND,
    DASHES,
    MUTED,
    SERIES,
    Key,
    Panel,
    drawing,
)
from kcomponents._text import is_finite, labels, number, one_line
from kcomponents.report._contents import dicts, epoch_span, log_series, value_in

HEIGHT = 240
MOST_METRICS = 6
# Smaller numbers count as 0 on a logarithmic axis.
TINY = 1e-100
LEARNING_RATES = {"learning_rate", "lr"}
# Metric → title of a panel that compares runs.
RUN_TITLES = {"loss": "Loss", "val_loss": "Validation loss"}


@dataclasses.dataclass(frozen=True)
class Line:
    """One line: its label, full name, `{epoch: value}`, and style."""

    label: str
    name: str
    values: dict
    color: str
    dash: str = "solid"
    strong: bool = False
    point: tuple = ()

    def key(self):
        """Return the line's entry in the legend."""
        shape = "point" if self.point else "line"
        return Key(
            self.label, self.name, self.color, self.dash, shape, strong=self.strong
        )


@dataclasses.dataclass(frozen=True)
class Scale:
    """The y axis: `"linear"`, `"log"`, `"share"`, or `"any"` to choose by the values.

    `band` is a pair of bounds to shade; `levels` are pairs of a label and a number,
    drawn as dotted lines.
    """

    kind: str = "any"
    band: tuple = ()
    levels: tuple = ()


def lines_drawing(lines, scale, *, key, title, span):
    """Return a line plot as the text of an SVG element, and its legend."""
    numbers = [v for line in lines for v in line.values.values() if is_finite(v)]
    levels = [number for _, number in scale.levels]
    numbers += [*levels, *scale.band] if numbers else []
    broken = sorted(_broken(lines))

    def draw(axes):
        foot = _left_axis(axes, scale, numbers)
        scales.epochs_below(axes, span)
        if scale.band:
            axes.axhspan(*scale.band, facecolor=BAND, edgecolor="none", zorder=0)
        for level in levels:
            axes.axhline(level, color=MUTED, linewidth=1.4, dashes=(2, 2.4))
        for line in lines:
            _draw_line(axes, line, foot)
        if broken:
            top = axes.get_xaxis_transform()
            axes.plot(broken, [0.97] * len(broken), "x", color=BAD, transform=top)

    names = ", ".join(one_line(line.label) for line in lines)
    label = f"{title} over epochs {span[0]} to {span[1]}: {names}"
    keys = [line.key() for line in lines]
    keys += [Key(label, "", MUTED, "dotted") for label, _ in scale.levels]
    keys += [Key("NaN or infinite", "", BAD, shape="cross")] * bool(broken)
    return drawing(draw, key=key, label=label, height=HEIGHT), tuple(keys)


def _left_axis(axes, scale, numbers):
    """Set up the y axis, and return its lower end if it is logarithmic."""
    positive = [n for n in numbers if n > TINY]
    if not numbers:
        scales.no_axis(axes)
    elif scale.kind == "share":
        scales.share_axis(axes)
    elif scale.kind == "log" and positive:
        return scales.log_axis(axes, [n if n > TINY else 0.0 for n in numbers])
    elif scale.kind == "any" and min(numbers) > TINY:
        if max(numbers) > 50 * min(numbers):
            return scales.log_axis(axes, numbers)
        scales.linear_axis(axes, numbers)
    else:
        scales.linear_axis(axes, numbers)
    return None


def _draw_line(axes, line, foot):
    nan = float("nan")
    values = [value if is_finite(value) else nan for value in line.values.values()]
    if foot is not None:
        # A logarithmic axis would drop these values.
        values = [foot if value <= TINY else value for value in values]
    shape = {"color": line.color, "linewidth": 2.8 if line.strong else 1.8}
    dash = DASHES[line.dash]
    if dash:
        shape["dashes"] = [int(part) / 1.8 for part in dash.split()]
    if line.point:
        shape.update(marker="o", markersize=8, markerfacecolor="none")
    axes.plot(list(line.values), values, markeredgewidth=1.8, **shape)
    # A single value between gaps needs a marker to be visible.
    gaps = [value != value for value in (nan, *values, nan)]
    alone = [before and after for before, after in zip(gaps, gaps[2:], strict=False)]
    if any(alone) and not line.point:
        axes.plot(list(line.values), values, "o", color=line.color, markevery=alone)


def _broken(lines):
    return {
        epoch
        for line in lines
        for epoch, value in line.values.items()
        if not is_finite(value)
    }


# Loss and metrics of one run, on training and validation data.


def loss_curves(record, where, key):
    """Return the loss panel, with the loss of the best constant prediction."""
    series = log_series(record)
    if not {"loss", "val_loss"} & set(series):
        return []
    known = value_in(record.structure, "data", "baseline_loss")
    baseline = known if is_finite(known) else None
    note = "Mean over each epoch."
    if baseline is not None:
        note = "Mean over each epoch. A model should beat the best constant prediction."
    return [_curves(record, "loss", "Loss", note, key, baseline)]


def metric_curves(record, where, key):
    """Return a panel for each metric, with its training and validation values."""
    series = log_series(record)
    bare = dict.fromkeys(name.removeprefix("val_") for name in series)
    names = [name for name in bare if name != "loss" and name not in LEARNING_RATES]
    found = []
    for count, name in enumerate(names[:MOST_METRICS]):
        baseline = _baseline_accuracy(record, name)
        title = one_line(name.replace("_", " "))
        title = title[:1].upper() + title[1:]
        left = len(names) - MOST_METRICS
        last = count == MOST_METRICS - 1 and left > 0
        note = f"{left} more metrics are not shown." if last else ""
        found.append(_curves(record, name, title, note, f"{key}{count}", baseline))
    return found


def _baseline_accuracy(record, name):
    outputs = dicts(value_in(record.structure, "data", "outputs"))
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
    svg, keys = lines_drawing(
        lines, scale, key=key, title=title, span=epoch_span(record)
    )
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


# Loss curves of several runs in one plot.


def runs_panels(records):
    """Return the panels of named records, and a legend entry for each record."""
    short = labels(records, 36)
    keys = [_key(number, name, short) for number, name in enumerate(records)]
    spans = [span for span in map(epoch_span, records.values()) if span]
    panels = []
    for kind, title in RUN_TITLES.items():
        lines = [
            Line(key.label, key.name, log_series(record)[kind], key.color, key.dash)
            for key, record in zip(keys, records.values(), strict=True)
            if kind in log_series(record)
        ]
        if lines:
            span = min(a for a, _ in spans), max(b for _, b in spans)
            svg, legend = lines_drawing(
                lines, Scale(), key=kind, title=title, span=span
            )
            panels.append(Panel(title, _note(lines, records), svg, legend))
    return panels, keys


def _key(number, name, short):
    # When the colors are used up, they repeat with another dash pattern.
    dash = list(DASHES)[number // len(SERIES) % len(DASHES)]
    return Key(short[name], name, SERIES[number % len(SERIES)], dash)


def _note(lines, records):
    if len(lines) == len(records):
        return ""
    return f"Logged by {len(lines)} of {len(records)} runs."
