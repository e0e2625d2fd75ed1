"""Plots with one row per name and numbers on the x axis."""

import numpy

from kcomponents.report._optional import needed
from kcomponents.report._svg import LINE, MUTED
from kcomponents.report._words import labels, number, room

ROW = 30
# Values this many interquartile ranges away are outliers.
FENCE = 4


def limits(values, among=None, spans=FENCE) -> tuple[float, float]:
    """Return the limits of an axis, without outliers.

    `among` are the values that define outliers. Defaults to `None`, all values.
    """
    first, third = numpy.quantile(among or values, (0.25, 0.75))
    fence = spans * (third - first) or numpy.inf
    kept = [v for v in values if first - fence <= v <= third + fence]
    low, high = float(min(kept)), float(max(kept))
    space = (high - low) * 0.05 or abs(high) * 0.1 or 0.5
    return low - space, high + space


def numbers_below(axes, low, high, name):
    """Set up the x axis, with its name at the right."""
    axes.set_xlim(low, high)
    locator = needed("matplotlib.ticker").MaxNLocator(4, steps=[1, 2, 5, 10])
    ticks = [float(tick) for tick in locator.tick_values(low, high)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    # Eight digits hide rounding errors.
    shown = [
        number(tick if abs(tick) > (high - low) / 1e6 else 0.0, 8) for tick in ticks
    ]
    axes.set_xticks(ticks, shown)
    axes.grid(axis="x", color=LINE)
    axes.set_xlabel(name, loc="right", fontsize=11)


def names_left(axes, names):
    """Label the rows on the y axis, the first at the top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", pad=6, colors=MUTED)


def short_names(names, width=16):
    """Return a short label for each name, and the width of the left margin."""
    short = labels(names, width)
    left = round(max(map(room, short.values())) * 6.6 + 20)
    return list(short.values()), max(left, 54)


def height(rows):
    """Return the height of a plot with this many rows."""
    return max(rows, 2) * ROW + 52
