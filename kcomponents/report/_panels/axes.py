"""Axes of all plots: epochs on the x axis, few grid lines, distinct tick labels."""

import math

from kcomponents.report._svg import LINE, MUTED
from kcomponents.report._words import number, power

MOST_TICKS = 5


def epochs_below(axes, span):
    """Set up the x axis: whole epochs, from the first to the last."""
    first, last = span
    room = max((last - first) * 0.02, 0.02) if last > first else 0.5
    axes.set_xlim(first - room, last + room)
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


def linear_axis(axes, values):
    """Set up a linear y axis around these values."""
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    # Start at 0 if the values come close to it.
    floor = 0.0 if 0 <= low < 0.4 * high else low - room
    axes.set_ylim(floor, high + room)
    ticks = _nice_ticks(floor, high + room)
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
    room = (high - low) * 0.05
    foot = low - (2 if min(values) <= 0 else 1) * room
    axes.set_yscale("log")
    axes.set_ylim(10**foot, 10 ** (high + room))
    lowest, highest = math.ceil(foot), math.floor(high + room)
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
