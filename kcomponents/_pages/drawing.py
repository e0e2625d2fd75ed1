"""Plots of web pages: drawings of matplotlib as SVG, panels with legends, and axes."""

import dataclasses
import io
import math
import re
import warnings
from xml.etree import ElementTree

from kcomponents._optional import require
from kcomponents._text import number, power, text_width

WIDTH = 440
MOST_TICKS = 5
SVG = "http://www.w3.org/2000/svg"
LINK = "http://www.w3.org/1999/xlink"
# Placeholder colors for matplotlib, replaced by the page's colors.
INK, MUTED, LINE, BAND, BAD = "#010001", "#010002", "#010003", "#010004", "#010005"
SERIES = tuple(f"#0200{number:02x}" for number in range(8))
COLORS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    BAND: "var(--band)",
    BAD: "var(--bad)",
    **{color: f"var(--s{number})" for number, color in enumerate(SERIES)},
}
DASHES = {"solid": "", "dashed": "6 3", "dotted": "2 3"}
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kcomponents",
    "font.size": 11,
    "text.color": MUTED,
    "text.parse_math": False,
    "axes.facecolor": "none",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 1,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 1,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "xtick.minor.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


def drawing(draw, *, key, label, height, left=54):
    """Return the drawing of `draw(axes)` as the text of an SVG element.

    `key` is the prefix of all ids in it; `label` is its text for screen readers.
    """
    require("matplotlib")
    style = require("matplotlib.style")
    figures = require("matplotlib.figure")
    with style.context(["default", SETTINGS]), warnings.catch_warnings():
        # Matplotlib warns about characters that its font lacks; the page's have them.
        warnings.simplefilter("ignore")
        figure = figures.Figure((WIDTH / 72, height / 72), dpi=72)
        right, top, bottom = 14, 12, 40
        size = (WIDTH - left - right) / WIDTH, (height - top - bottom) / height
        axes = figure.add_axes((left / WIDTH, bottom / height, *size))
        draw(axes)
        file = io.BytesIO()
        plain = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, dpi=216, metadata=plain)
    return _for_page(ElementTree.fromstring(file.getvalue()), key, label)


def _for_page(root, key, label):
    # Its style sheet would apply to the whole page.
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}style", f"{{{SVG}}}metadata"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        pairs = {_attribute(name): text for name, text in element.attrib.items()}
        element.attrib.clear()
        for name, text in pairs.items():
            element.set(name, _value(name, text, key))
    view = root.get("viewBox")
    root.attrib.clear()
    label = {"role": "img", "aria-label": label}
    root.attrib.update({"viewBox": view, "class": "plot", **label})
    return ElementTree.tostring(root, encoding="unicode")


def _attribute(name):
    return name.removeprefix(f"{{{LINK}}}").removeprefix(f"{{{SVG}}}")


def _value(name, text, key):
    if name == "id":
        return f"{key}-{text}"
    if name == "href" and text.startswith("#"):
        return f"#{key}-{text[1:]}"
    text = text.replace("url(#", f"url(#{key}-")
    if name == "style":
        # The page's own fonts; matplotlib's may not be installed.
        text = re.sub(r"font: ([\w ]*?)([\d.]+px)[^;]*", r"font-size: \2", text)
        text = re.sub(r"font-family: [^;]*;?", "", text)
    return re.sub("#0[12]00[0-9a-f]{2}", lambda found: COLORS[found[0]], text)


def color_stops(name):
    """Return a color map of matplotlib as the colors of a CSS gradient."""
    colors = require("matplotlib").colormaps[name]
    to_hex = require("matplotlib.colors").to_hex
    return ", ".join(to_hex(colors(step / 10)) for step in range(11))


# Panels: plots with titles, notes and legends.


@dataclasses.dataclass(frozen=True)
class Key:
    """One entry of a legend: a label, the full name, and its style.

    `shape` is `"line"`, `"area"` or `"point"`.
    """

    label: str
    name: str
    color: str
    dash: str = "solid"
    shape: str = "line"
    strong: bool = False

    @property
    def css(self):
        """The color in CSS."""
        return COLORS[self.color]

    @property
    def pattern(self):
        """The dash pattern in SVG."""
        return DASHES[self.dash]


@dataclasses.dataclass(frozen=True)
class Panel:
    """One plot: `svg` is the text of its element, `keys` its legend.

    `scale` is a color bar: a CSS gradient and the numbers below it, or empty.
    """

    title: str
    note: str
    svg: str
    keys: tuple = ()
    scale: tuple = ()


# Axes, with few grid lines and distinct tick labels.


def epochs_below(axes, span):
    """Set up the x axis: whole epochs, from the first to the last."""
    first, last = span
    margin = max((last - first) * 0.02, 0.02) if last > first else 0.5
    axes.set_xlim(first - margin, last + margin)
    ticks = _whole_ticks(first, last)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel("epoch", loc="right", fontsize=11)


def _whole_ticks(first, last):
    if last - first < 6:
        return list(range(first, last + 1))
    rough = (last - first) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough)
    inner = [t for t in range(step, last + 1, step) if t - first >= step / 2]
    return [first, *inner]


def left_margin(names):
    """Return the width that the names of rows take, left of a plot."""
    return round(max(map(text_width, names)) * 6.6 + 20)


def linear_axis(axes, values):
    """Set up a linear y axis around these values."""
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    # Start at 0 if the values come close to it.
    floor = 0.0 if 0 <= low < 0.4 * high else low - margin
    axes.set_ylim(floor, high + margin)
    ticks = _nice_ticks(floor, high + margin)
    axes.set_yticks(ticks, _distinct(ticks))
    _finish(axes)


def share_axis(axes):
    """Set up a y axis from 0% to 100%."""
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    _finish(axes)


def log_axis(axes, values):
    """Set up a logarithmic y axis; values of 0 are drawn at its lower end.

    Returns:
        The number at the lower end.
    """
    positive = [value for value in values if value > 0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    if high - low < 2:
        low, high = math.floor(low + 1e-9), math.ceil(high - 1e-9)
        low, high = (low - 1, high + 1) if low == high else (low, high)
    margin = (high - low) * 0.05
    foot = low - (2 if min(values) <= 0 else 1) * margin
    axes.set_yscale("log")
    axes.set_ylim(10**foot, 10 ** (high + margin))
    lowest, highest = math.ceil(foot), math.floor(high + margin)
    step = max(math.ceil((highest - lowest) / MOST_TICKS), 1)
    ticks = [10.0**exponent for exponent in range(lowest, highest + 1, step)]
    axes.set_yticks(ticks, [power(tick) for tick in ticks])
    axes.set_yticks([], minor=True)
    _finish(axes)
    return 10**foot


def no_axis(axes):
    """Set up a y axis without ticks, for a plot without numbers."""
    axes.set_ylim(0, 1)
    axes.set_yticks([])


def _finish(axes):
    axes.grid(axis="y", color=LINE)
    axes.tick_params(axis="y", colors=MUTED, pad=6)


def _nice_ticks(low, high):
    rough = (high - low) / MOST_TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next((unit * m for m in (1, 2, 5, 10) if unit * m >= rough), unit * 10)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _distinct(ticks):
    for digits in range(1, 9):
        shown = [number(float(tick), digits) for tick in ticks]
        if len(set(shown)) == len(shown):
            return shown
    return shown
