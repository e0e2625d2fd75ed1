"""Judgments that the rules on a run share with `examine_data`, and their thresholds."""

import math
from typing import NamedTuple

# The mean or the standard deviation of an input or of one of its columns.
LARGE_INPUT, VERY_LARGE_INPUT, TINY_INPUT = 15, 40, 0.02
# Standard deviations of columns differ by this factor, and one column is this large.
UNLIKE_COLUMNS, UNLIKE_COLUMNS_SIZE = 100, 5
# The mean or the standard deviation of the targets of a regression.
LARGE_TARGET, VERY_LARGE_TARGET, TINY_TARGET = 15, 50, 0.01
# Shares of the samples.
CONTRADICTIONS, LEAKAGE = 0.2, 0.2
# Distance of the class frequencies, and share of labels that do not occur in training.
CLASS_DISTANCE, UNSEEN_LABELS = 0.5, 0.2
# Validation inputs: distance of the means in standard deviations, and ratio of scales.
FAR_MEAN, SCALE_RATIO = 5, 20
# With fewer validation samples, classes or scales are not compared.
FEWEST_LABELS, FEWEST_INPUTS = 20, 10


class InputScale(NamedTuple):
    """What is wrong with the scale of an input.

    Args:
        kind: `"constant"`, `"large"`, `"tiny"`, or `"unlike"`: the columns have
            different scales.
        severity: Severity of the finding.
        ratio: Largest standard deviation of a column over the smallest.
    """

    kind: str
    severity: str
    ratio: float


def input_scale(means, stds, *, constant=False):
    """Return what is wrong with the scale of an input, None if nothing is.

    Args:
        means: List of the means of the input and of its columns.
        stds: List of their standard deviations, the whole input first.
        constant: Boolean, whether all values of the input are the same.
    """
    size = max([*map(abs, means), *stds])
    columns = [std for std in stds[1:] if std > 1e-9]
    ratio = max(columns) / min(columns) if len(columns) > 1 else 1.0
    severity = "high" if size > VERY_LARGE_INPUT or size < TINY_INPUT else "medium"
    if constant:
        return InputScale("constant", severity, ratio)
    if size > LARGE_INPUT:
        return InputScale("large", severity, ratio)
    if ratio > UNLIKE_COLUMNS and size > UNLIKE_COLUMNS_SIZE:
        return InputScale("unlike", severity, ratio)
    if size < TINY_INPUT and stds[0] > 0:
        return InputScale("tiny", severity, ratio)
    return None


def target_severity(mean, std):
    """Return how serious the scale of regression targets is, None if it is fine."""
    size, tiny = max(abs(mean), std), 0 < std < TINY_TARGET
    if size <= LARGE_TARGET and not tiny:
        return None
    return "high" if size > VERY_LARGE_TARGET or tiny else "medium"


class ClassShift(NamedTuple):
    """How the labels of the validation data differ from those of the training data.

    Args:
        distance: Total variation distance of the class frequencies, 0 to 1.
        unseen: Share of the validation labels that do not occur in training.
        differs: Whether the distance is above its threshold and above chance.
        has_unseen: Whether the share is above its threshold and above chance.
    """

    distance: float
    unseen: float
    differs: bool
    has_unseen: bool


def class_shift(training, validation):
    """Compare the labels of two samples: dicts of label to count.

    Two random samples of the same data differ by chance, the more so the more classes
    there are and the fewer samples.
    """
    first, second = sum(training.values()), sum(validation.values())
    pairs = [(training.get(k, 0), validation.get(k, 0)) for k in training | validation]
    distance = sum(abs(a / first - b / second) for a, b in pairs) / 2
    unseen = sum(b for a, b in pairs if not a) / second
    pooled = [(a + b) / (first + second) for a, b in pairs]
    spread = 1 / first + 1 / second
    by_chance = sum(math.sqrt(p * (1 - p) * spread) for p in pooled) / 2
    # By Good and Turing: the share of labels that occur once in a sample estimates how
    # many labels of the next sample it lacks.
    once = (1 + sum(round(a) == 1 for a, _ in pairs)) / (1 + first)
    expected = once + 3 * math.sqrt(once * (1 - once) * spread)
    enough = second >= FEWEST_LABELS
    return ClassShift(
        distance,
        unseen,
        differs=enough and distance > max(CLASS_DISTANCE, 1.3 * by_chance),
        has_unseen=enough and unseen > UNSEEN_LABELS + expected,
    )


def on_another_scale(training, validation, ratio=SCALE_RATIO):
    """Return whether validation inputs are on another scale than training inputs.

    Args:
        training: Dict with the facts `"min"`, `"max"`, `"mean"` and `"std"`.
        validation: The same facts of at least `FEWEST_INPUTS` samples. Without `"min"`
            and `"max"`, ranges are not compared.
        ratio: Number, how many times larger one of them is. Defaults to `SCALE_RATIO`.
    """
    shift = abs(training["mean"] - validation["mean"]) / (training["std"] or 1.0)
    ratios = [_ratio(training["std"], validation["std"])]
    if {"min", "max"} <= training.keys() & validation.keys():
        # A few extreme values change the standard deviation, or the range, alone.
        ratios.append(_ratio(*(f["max"] - f["min"] for f in (training, validation))))
    return shift > FAR_MEAN or min(ratios) > ratio


def _ratio(a, b):
    a, b = a or 1e-12, b or 1e-12
    return max(a, b) / min(a, b)
