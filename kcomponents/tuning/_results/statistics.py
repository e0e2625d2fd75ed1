"""Statistics of scores: gains over seeds with Welch's interval, quartiles, groups."""

import dataclasses
import math

import numpy

from kcomponents._optional import require

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Gain:
    """The difference of two mean scores over seeds; positive is better.

    Args:
        mean: Float, difference of the means.
        interval: Pair of floats, the 95% interval, or `None` with too few seeds or
            equal scores.
        seeds: Pair of integers, the numbers of seeds.
    """

    mean: float
    interval: tuple[float, float] | None
    seeds: tuple[int, int]

    @property
    def is_significant(self):
        """Whether the interval excludes 0."""
        return self.interval is not None and not (
            self.interval[0] <= 0 <= self.interval[1]
        )


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


def t_quantile(freedom: float) -> float:
    """Return the `t` with 95% of Student's distribution between `-t` and `t`."""
    return float(require("scipy.stats").t.ppf((1 + CONFIDENCE) / 2, freedom))


def quartiles(scores) -> tuple[float, ...]:
    """Return the first quartile, the median and the third quartile."""
    return tuple(float(value) for value in numpy.quantile(scores, (0.25, 0.5, 0.75)))


def value_name(value) -> str:
    """Return the name of a hyperparameter's value, by which trials are grouped."""
    return "none" if value is None else str(value)
