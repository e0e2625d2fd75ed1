"""Checks of samples: duplicates, the split, the order, and how many there are."""

import collections

import numpy as np

from kcomponents._scoring.features import digests
from kcomponents._text import listing, quantity
from kcomponents.doctor import _remedies
from kcomponents.doctor._thresholds import (
    CONTRADICTIONS,
    FEWEST_INPUTS,
    LEAKAGE,
    class_shift,
    on_another_scale,
)
from kcomponents.doctor.data.arrays import (
    classes_of,
    columns_of,
    outputs_of,
    random_rows,
)
from kcomponents.doctor.diagnosis import Finding

# A note on duplicates needs this share of them.
DUPLICATES = 0.2
COLUMNS, MOST_ROWS, VALUES = 500, 5_000, 20


def takes_few_values(data, generator):
    """Return whether samples are equal by chance, as in a table of categories."""
    positions = sum(int(array[0].size) for array in data.inputs.values())
    columns = np.sort(generator.permutation(positions)[:COLUMNS])
    table = data.table(random_rows(generator, data, MOST_ROWS), columns)
    agree, most = 1.0, 1
    for column in table.T:
        counts = np.unique(column, return_counts=True)[1]
        agree *= ((counts / counts.sum()) ** 2).sum()
        most = max(most, len(counts))
    by_chance = bool(data.rows * agree > 0.05)
    return by_chance or (most <= VALUES and positions <= 50)


def conflicts(data, keys, kind, generator):
    """Yield findings and notes on samples with equal inputs."""
    group = np.unique(keys, return_inverse=True)[1].reshape(-1)
    distinct = int(group.max()) + 1
    if distinct == data.rows:
        return
    if distinct == 1:
        evidence = (f"All {data.rows:,} samples have the same inputs.",)
        remedies = _remedies.constant_input()
        yield Finding("not_learning", "", evidence, "high", remedies)
        return
    few = takes_few_values(data, generator)
    if kind is not None:
        yield from _contradictions(group, data.target, kind, few)
    if distinct < (1 - DUPLICATES) * data.rows and not few:
        yield (
            f"{data.rows:,} samples have only {distinct:,} different inputs: remove "
            "duplicates before a split, and use class_weight instead of copies."
        )


def _contradictions(group, y, kind, few):
    """Yield how many samples with the same inputs have different targets."""
    classes = classes_of(y, kind)
    differ, best = _conflict_shares(group, digests([y if classes is None else classes]))
    if differ:
        text = (
            f"{differ:.1%} of the samples have the same inputs as a sample with "
            "another target"
        )
        labels = classes is not None
        ceiling = f": no model can be right on more than {best:.1%}." if labels else "."
        if labels and differ > CONTRADICTIONS and not few:
            evidence = (f"{text}{ceiling}",)
            remedies = _remedies.contradictory_labels()
            yield Finding("label_problem", "y", evidence, "high", remedies)
        else:
            yield f"{text}{ceiling}"


def _conflict_shares(group, targets):
    """Return the share of samples in conflict, and the best possible accuracy."""
    target = np.unique(targets, return_inverse=True)[1].reshape(-1)
    pairs = np.stack([group, target])
    (groups, _), counts = np.unique(pairs, axis=1, return_counts=True)
    best = np.zeros(group.max() + 1)
    np.maximum.at(best, groups, counts)
    differ = (np.bincount(groups) > 1)[group].mean()
    return float(differ), float(best.sum() / len(group))


def leakage(training, validation, keys, generator):
    """Yield how many validation samples have the inputs of a training sample."""
    share = float(np.isin(digests(validation.inputs.values()), keys).mean())
    if not share:
        return
    text = f"{share:.1%} of the validation samples have the inputs of a training sample"
    if share > LEAKAGE and not takes_few_values(training, generator):
        evidence = (f"{text}: the validation loss says nothing about new data.",)
        yield _split_finding(evidence, _remedies.duplicate_samples())
    else:
        yield f"{text}."


def _split_finding(evidence, remedies):
    where = "validation_data"
    return Finding("data_split_problem", where, tuple(evidence), "high", remedies)


# Differences between training and validation data, and sorted samples.

# A note on means of columns needs this distance, in standard deviations.
SHIFT = 3.0


def order(data, kind):
    """Yield whether samples are sorted by target, which breaks `validation_split`."""
    if kind is None or data.rows < 20:
        return
    y = classes_of(data.target, kind)
    if y is None:
        step = np.diff(data.target.reshape(data.rows, -1)[:, 0].astype("float64"))
        is_sorted = bool(step.any() and ((step >= 0).all() or (step <= 0).all()))
    else:
        shares = np.unique(y, return_counts=True)[1] / len(y)
        # The share of shuffled samples whose label differs from the previous one.
        expected = 1 - (shares**2).sum()
        is_sorted = (y[1:] != y[:-1]).mean() < 0.1 * expected
    if is_sorted:
        yield (
            f"Samples are (nearly) sorted by {'target' if y is None else 'label'}: "
            "shuffle them before using validation_split, which takes the last ones."
        )


def unlike_labels(training, validation, kind):
    """Yield how the labels of training and validation data differ."""
    seen = None if kind is None else classes_of(training.target, kind)
    if seen is not None:
        yield from _labels(seen, classes_of(validation.target, kind))


def _labels(training, validation):
    counts = [collections.Counter(y.tolist()) for y in (training, validation)]
    shift = class_shift(*counts)
    evidence = []
    if unseen := [label for label in counts[1] if label not in counts[0]]:
        text = (
            f"Validation classes that never occur in training: {len(unseen):,} "
            f"({listing(unseen)}), in {shift.unseen:.1%} of the samples."
        )
        if shift.has_unseen:
            evidence.append(text)
        else:
            yield text
    if shift.differs:
        evidence.append(
            f"Class frequencies differ by {shift.distance:.0%} (total variation) "
            "between training and validation."
        )
    if evidence:
        yield _split_finding(evidence, _remedies.data_split_problem())


def unlike_inputs(training, validation):
    """Yield how the inputs of training and validation data differ in scale or mean."""
    for name, array in training.inputs.items():
        other = validation.inputs[f"validation {name}"]
        if min(len(array), len(other)) < FEWEST_INPUTS or array.dtype == bool:
            continue
        parts = columns_of(array), columns_of(other)
        facts = [
            {each: getattr(part, each)() for each in ("min", "max", "mean", "std")}
            for part in parts
        ]
        if on_another_scale(*facts):
            yield _split_finding(
                [
                    f"{name} has mean {facts[0]['mean']:.3g} and standard deviation "
                    f"{facts[0]['std']:.3g} in training, but {facts[1]['mean']:.3g} "
                    f"and {facts[1]['std']:.3g} in validation: scale both the same way."
                ],
                _remedies.unlike_validation_scale(),
            )
        else:
            yield from _shift(name, *parts)


def _shift(name, train, validation):
    """Yield how many columns have a different mean."""
    pooled = np.sqrt((train.var(axis=0) + validation.var(axis=0)) / 2)
    shift = np.abs(train.mean(axis=0) - validation.mean(axis=0))
    far = np.flatnonzero(shift > SHIFT * pooled)
    if len(far):
        yield (
            f"Columns of {name} whose mean in validation is over {SHIFT:g} standard "
            f"deviations off: {len(far):,} of {len(shift):,} ({listing(far)})."
        )


# The number of samples, compared with classes and parameters.

FEWEST_ROWS, ROWS_OF_A_CLASS = 50, 10
# A model with this many parameters per target value can memorize the data.
SPARE = 10


def size(data, kind, parameters):
    """Yield notes on too few samples."""
    if data.rows < FEWEST_ROWS:
        yield (
            f"Only {quantity(data.rows, 'sample')}, too few: a network memorizes them, "
            "and held-out scores say little."
        )
    classes = None if kind is None else classes_of(data.target, kind)
    if classes is not None and data.rows >= FEWEST_ROWS:
        values, counts = np.unique(classes, return_counts=True)
        rare = values[counts < ROWS_OF_A_CLASS]
        if len(rare):
            yield (
                f"Classes with less than {ROWS_OF_A_CLASS} samples, too few: "
                f"{len(rare):,} of {len(values):,} ({listing(rare)})."
            )
    if parameters is not None:
        yield from _against(data, kind, parameters)


def _against(data, kind, parameters):
    if kind is None:
        outputs = sum(int(array[0].size) for array in data.inputs.values())
    else:
        outputs = outputs_of(data.target, kind)
    ratio = parameters / (data.rows * outputs)
    if ratio > SPARE:
        yield (
            f"{parameters:,} parameters are {ratio:,.0f} times as many as "
            f"{quantity(data.rows, 'sample')} x {quantity(outputs, 'output')}: expect "
            "overfitting; use a smaller model, regularize, or stop early."
        )
