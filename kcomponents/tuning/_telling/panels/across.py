"""Pictures with a row for each name and a number from left to right."""

import numpy

from kcomponents.report._optional import needed
from kcomponents.report._svg import LINE, MUTED
from kcomponents.report._words import labels, number, room

ROW = 30
# Beyond so many spans of the middle half lies what would squeeze all the rest.
FENCE = 4


def limits(values, among=None, spans=FENCE) -> tuple[float, float]:
    """Return between which numbers to draw, without what lies far from all others.

    `among` are the values that say what is far. Defaults to `None`, all of them.
    """
    first, third = numpy.quantile(among or values, (0.25, 0.75))
    fence = spans * (third - first) or numpy.inf
    kept = [v for v in values if first - fence <= v <= third + fence]
    low, high = float(min(kept)), float(max(kept))
    space = (high - low) * 0.05 or abs(high) * 0.1 or 0.5
    return low - space, high + space


def numbers_below(axes, low, high, name):
    """Put numbers on the axis below, and its name at the right."""
    axes.set_xlim(low, high)
    locator = needed("matplotlib.ticker").MaxNLocator(4, steps=[1, 2, 5, 10])
    ticks = [float(tick) for tick in locator.tick_values(low, high)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    # So many digits that a tick says where it is, too few for its rounding errors.
    shown = [
        number(tick if abs(tick) > (high - low) / 1e6 else 0.0, 8) for tick in ticks
    ]
    axes.set_xticks(ticks, shown)
    axes.grid(axis="x", color=LINE)
    axes.set_xlabel(name, loc="right", fontsize=11)


def names_left(axes, names):
    """Put a name at the left of each row, the first at the top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", pad=6, colors=MUTED)


def short_names(names, width=16):
    """Return a label for each name, and how much space at the left they take."""
    short = labels(names, width)
    left = round(max(map(room, short.values())) * 6.6 + 20)
    return list(short.values()), max(left, 54)


def height(rows):
    """Return how high a picture of so many rows is."""
    return max(rows, 2) * ROW + 52
