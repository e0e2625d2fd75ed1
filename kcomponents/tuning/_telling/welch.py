"""Welch's interval for the difference of two means."""

import math

import numpy

from kcomponents.tuning._optional import needed

CONFIDENCE = 0.95


def t_quantile(freedom: float) -> float:
    """Return the `t` with 95% of Student's distribution between `-t` and `t`."""
    return float(needed("scipy.stats").t.ppf((1 + CONFIDENCE) / 2, freedom))


def welch_interval(first, second) -> tuple[float, float] | None:
    """Return the 95% interval of `mean(first) - mean(second)`, or None.

    There is no interval if a group has fewer than two scores, or if the scores are
    equal within each group: equal scores by chance would look like certainty.

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
