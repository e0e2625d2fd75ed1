"""Welch's interval: how far two means lie apart, where each is of few seeds."""

import math

import numpy

CONFIDENCE = 0.95
# Beyond, Student's t is the normal distribution to four digits.
MOST_FREEDOM = 1e5


def t_quantile(freedom):
    """Return the size that 95 % of Student's t stay below, for 1 degree and more.

    With `t = sqrt(freedom) * tan(angle)` the density is `cos(angle)^(freedom - 1)`,
    which is smooth and ends at a right angle, so that it can simply be summed up.
    """
    freedom = min(freedom, MOST_FREEDOM)
    angles = numpy.linspace(0, math.pi / 2, 20001)
    heights = numpy.cos(angles) ** (freedom - 1)
    areas = numpy.cumsum((heights[1:] + heights[:-1]) / 2)
    angle = numpy.interp(CONFIDENCE * areas[-1], areas, angles[1:])
    return math.sqrt(freedom) * math.tan(angle)


def welch_interval(first, second):
    """Return the 95 % interval of the difference of two means, or None.

    There is none with fewer than two scores of either, nor where no score of a group
    differs from another: equal scores by chance would look like certainty.

    Reference:
        Welch, "The generalization of 'Student's' problem when several different
        population variances are involved", 1947, https://doi.org/10.2307/2332510
    """
    spread = len(set(first)) > 1 or len(set(second)) > 1
    if min(len(first), len(second)) < 2 or not spread:
        return None
    parts = [numpy.var(scores, ddof=1) / len(scores) for scores in (first, second)]
    total = float(sum(parts))
    sizes = len(first), len(second)
    weights = [
        (part / total) ** 2 / (n - 1) for part, n in zip(parts, sizes, strict=True)
    ]
    half = t_quantile(1 / float(sum(weights))) * math.sqrt(total)
    middle = float(numpy.mean(first) - numpy.mean(second))
    return middle - half, middle + half
