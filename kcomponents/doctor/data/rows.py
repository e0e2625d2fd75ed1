"""Duplicate samples: with different labels, or in both parts of a split."""

import hashlib

import numpy as np

from kcomponents._text import counted, listed
from kcomponents.doctor.data.arrays import classes_of, columns_of, drawn, outputs_of
from kcomponents.doctor.data.findings import finding

MANY = 0.2
COLUMNS, MOST_ROWS, VALUES = 500, 5_000, 20
CHUNK = 2**22


def digests(arrays):
    """Return one number per sample, equal for equal samples."""
    flat = [array.reshape(len(array), -1) for array in arrays]
    step = max(1, CHUNK // sum(part.shape[1] for part in flat))
    numbers = []
    for start in range(0, len(flat[0]), step):
        parts = [part[start : start + step].astype("float64") for part in flat]
        # Adding 0 turns -0 into 0.
        block = np.concatenate(parts, axis=1) + 0.0
        numbers += [
            hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in block
        ]
    return np.frombuffer(b"".join(numbers), "u8")


def takes_few_values(data, generator):
    """Return whether samples are equal by chance, as in a table of categories."""
    positions = sum(int(array[0].size) for array in data.inputs.values())
    columns = np.sort(generator.permutation(positions)[:COLUMNS])
    table = data.table(drawn(generator, data, MOST_ROWS), columns)
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
        yield finding("not_learning", "", evidence, "high", "other_inputs")
        return
    few = takes_few_values(data, generator)
    if kind is not None:
        yield from _contradictions(group, data.target, kind, few)
    if distinct < (1 - MANY) * data.rows and not few:
        yield (
            f"{data.rows:,} samples have only {distinct:,} different inputs: remove "
            "duplicates before a split, and use class_weight instead of copies."
        )


def _contradictions(group, y, kind, few):
    """Yield how many samples with the same inputs have different targets."""
    classes = classes_of(y, kind)
    differ, best = _differing(group, digests([y if classes is None else classes]))
    if differ:
        text = (
            f"{differ:.1%} of the samples have the same inputs as a sample with "
            "another target"
        )
        labels = classes is not None
        ceiling = f": no model can be right on more than {best:.1%}." if labels else "."
        if labels and differ > MANY and not few:
            evidence = (f"{text}{ceiling}",)
            yield finding("label_problem", "y", evidence, "high", "check_labels")
        else:
            yield f"{text}{ceiling}"


def _differing(group, answers):
    """Return the share of samples in conflict, and the best possible accuracy."""
    answer = np.unique(answers, return_inverse=True)[1].reshape(-1)
    pairs = np.stack([group, answer])
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
    if share > MANY and not takes_few_values(training, generator):
        evidence = (f"{text}: the validation loss says nothing about new data.",)
        yield finding(
            "data_split_problem", "validation_data", evidence, "high", "distinct"
        )
    else:
        yield f"{text}."


# Differences between training and validation data, and sorted samples.

FEWEST_COMPARED, UNSEEN, DISTANCE, SHIFT, LARGER = 50, 0.01, 0.5, 3.0, 20.0


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


def _labels(seen, asked):
    values = np.union1d(seen, asked)
    train, validation = (_shares(y, values) for y in (seen, asked))
    unseen = values[train == 0]
    distance = float(np.abs(train - validation).sum() / 2)
    evidence = []
    if len(unseen):
        share = float(validation[train == 0].sum())
        text = (
            f"Validation classes that never occur in training: {len(unseen):,} "
            f"({listed(unseen)}), in {share:.1%} of the samples."
        )
        if share > UNSEEN:
            evidence.append(text)
        else:
            yield text
    if distance > DISTANCE and min(len(seen), len(asked)) >= FEWEST_COMPARED:
        evidence.append(
            f"Class frequencies differ by {distance:.0%} (total variation) between "
            "training and validation."
        )
    if evidence:
        yield finding(
            "data_split_problem", "validation_data", evidence, "high", "shuffle"
        )


def _shares(classes, values):
    places = np.searchsorted(values, classes)
    return np.bincount(places, minlength=len(values)) / len(classes)


def unlike_inputs(training, validation):
    """Yield how the inputs of training and validation data differ in scale or mean."""
    for name, array in training.inputs.items():
        other = validation.inputs[f"validation {name}"]
        if min(len(array), len(other)) < 10 or array.dtype == bool:
            continue
        parts = columns_of(array), columns_of(other)
        sizes = [float(np.sqrt((part**2).mean())) for part in parts]
        highest = [float(np.abs(part).max()) for part in parts]
        if min(_apart(*sizes), _apart(*highest)) > LARGER:
            yield _other_size(name, sizes, len(other))
        else:
            yield from _shift(name, *parts)


def _other_size(name, sizes, rows):
    """Return a finding or a note on inputs of different scale."""
    text = (
        f"{name} has root mean square {sizes[0]:.3g} in training and {sizes[1]:.3g} in "
        "validation: were both scaled the same way?"
    )
    if rows < FEWEST_COMPARED:
        return text
    where = "validation_data"
    return finding("data_split_problem", where, (text,), "high", "scale_within")


def _shift(name, train, validation):
    """Yield how many columns have a different mean."""
    pooled = np.sqrt((train.var(axis=0) + validation.var(axis=0)) / 2)
    shift = np.abs(train.mean(axis=0) - validation.mean(axis=0))
    far = np.flatnonzero(shift > SHIFT * pooled)
    if len(far):
        yield (
            f"Columns of {name} whose mean in validation is over {SHIFT:g} standard "
            f"deviations off: {len(far):,} of {len(shift):,} ({listed(far)})."
        )


def _apart(a, b):
    """Return the ratio of the larger to the smaller of two sizes."""
    return max(a, b) / min(a, b) if min(a, b) > 0 else 1.0


# The number of samples, compared with classes and parameters.

FEWEST_ROWS, ROWS_OF_A_CLASS = 50, 10
# A model with this many parameters per target value can memorize the data.
SPARE = 10


def size(data, kind, parameters):
    """Yield notes on too few samples."""
    if data.rows < FEWEST_ROWS:
        yield (
            f"Only {counted(data.rows, 'sample')}, too few: a network memorizes them, "
            "and held-out scores say little."
        )
    classes = None if kind is None else classes_of(data.target, kind)
    if classes is not None and data.rows >= FEWEST_ROWS:
        values, counts = np.unique(classes, return_counts=True)
        rare = values[counts < ROWS_OF_A_CLASS]
        if len(rare):
            yield (
                f"Classes with less than {ROWS_OF_A_CLASS} samples, too few: "
                f"{len(rare):,} of {len(values):,} ({listed(rare)})."
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
            f"{counted(data.rows, 'sample')} x {counted(outputs, 'output')}: expect "
            "overfitting; use a smaller model, regularize, or stop early."
        )
