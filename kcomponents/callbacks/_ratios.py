"""Update ratios: the size of each update relative to the weights."""

import math

from keras import ops

from kcomponents.statistics import Statistic


def _moved(view):
    """Return 1 for each variable that has a ratio in this step, else 0."""
    # NaN and infinite weights count too, so that the ratio shows them.
    return ops.where(view.weights == 0, 0.0, view.applied)


def _ratio(view):
    square = view.squares / ops.where(view.weights == 0, 1.0, view.weights)
    return ops.where(_moved(view) > 0, ops.sqrt(square), 0.0)


RATIOS = (
    Statistic("update_ratio", "updates", _ratio, per_variable=True),
    Statistic("update_steps", "updates", _moved, per_variable=True),
)


def mean_ratio(total, count):
    """Return the mean over steps, or NaN if no step moved the variable."""
    return float(total / count) if count else math.nan
