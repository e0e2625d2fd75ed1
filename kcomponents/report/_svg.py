"""Matplotlib drawings as SVG elements, in the page's own colors and fonts."""

import io
import re
import warnings
from xml.etree import ElementTree

from kcomponents.report._optional import needed

WIDTH = 440
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
    needed("matplotlib")
    style = needed("matplotlib.style")
    figures = needed("matplotlib.figure")
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
