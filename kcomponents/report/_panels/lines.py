"""Line plots over epochs, for all panels but the heat map."""

import dataclasses

from kcomponents.report._panels import axes as scales
from kcomponents.report._panels.panel import DASHES, Key
from kcomponents.report._series import TINY, is_finite
from kcomponents.report._svg import BAD, BAND, MUTED, drawing
from kcomponents.report._words import one_line

HEIGHT = 240


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
