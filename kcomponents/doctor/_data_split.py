"""Differences between training and validation data, and sorted samples."""

import numpy as np

from kcomponents.doctor._data_findings import finding
from kcomponents.doctor._data_read import columns_of
from kcomponents.doctor._data_target import classes_of
from kcomponents.doctor._data_words import listed

ROWS, UNSEEN, DISTANCE, SHIFT, LARGER = 50, 0.01, 0.5, 3.0, 20.0


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
    if distance > DISTANCE and min(len(seen), len(asked)) >= ROWS:
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
    if rows < ROWS:
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
