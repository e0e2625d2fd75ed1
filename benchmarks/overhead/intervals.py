"""What a row shows: the median of its pairs, its interval, and what that says."""

import random
import statistics

# How far the upper end of an interval may be above the bound, and an end from the
# middle.
MARGIN = 0.02
DRAWS = 2000


def interval(values):
    """Return the ends of the 95 % interval of the median, by drawing values anew."""
    chance, count = random.Random(0), len(values)
    medians = sorted(
        statistics.median(chance.choices(values, k=count)) for _ in range(DRAWS)
    )
    return medians[DRAWS // 40], medians[-DRAWS // 40 - 1]


def verdict(values, bound, margin=MARGIN):
    """Return "", "not shown" or "MISSED" for a bound, which may be None."""
    if bound is None:
        return ""
    low, high = interval(values)
    if low > bound + margin:
        return "MISSED"
    if high - low > 2 * margin:
        return "not shown"
    return "MISSED" if high > bound + margin else ""


def is_narrow(values, margin=MARGIN):
    """Return whether so many values say enough."""
    low, high = interval(values)
    return high - low <= 2 * margin
