"""Duplicate samples: with different labels, or in both parts of a split."""

import hashlib

import numpy as np

from kcomponents.doctor._data_findings import finding
from kcomponents.doctor._data_read import drawn
from kcomponents.doctor._data_target import classes_of

MANY = 0.2
COLUMNS, ROWS, VALUES = 500, 5_000, 20
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
    table = data.table(drawn(generator, data, ROWS), columns)
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
