"""Panel: a plot with its title, note and legend."""

import dataclasses

from kcomponents.report._svg import COLORS

DASHES = {"solid": "", "dashed": "6 3", "dotted": "2 3"}


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
