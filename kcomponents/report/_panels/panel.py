"""Panel: one picture with its title, its key, and how to read it."""

import dataclasses

from kcomponents.report._svg import COLOURS

DASHES = {"solid": "", "dashed": "6 3", "dotted": "2 3"}


@dataclasses.dataclass(frozen=True)
class Key:
    """One line of a panel's key: a label, the full name, and how it is drawn.

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
        """The color as the page's style sheet names it."""
        return COLOURS[self.color]

    @property
    def pattern(self):
        """The dashes as SVG counts them."""
        return DASHES[self.dash]


@dataclasses.dataclass(frozen=True)
class Panel:
    """One picture: `svg` is the text of its element, `scale` the bar of its colors.

    `scale` is a tuple of the CSS gradient and the numbers under it, or empty.
    """

    title: str
    note: str
    svg: str
    keys: tuple = ()
    scale: tuple = ()
