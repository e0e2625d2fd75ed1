"""Columns that are constant, duplicated, row numbers, or leak the target."""

import numpy as np

from kcomponents.doctor._data_read import columns_of
from kcomponents.doctor._data_target import classes_of
from kcomponents.doctor._data_words import listed

# With fewer samples, columns agree by chance.
ROWS = 20
SAME = 0.9999


def columns(data, sample, kind):
    """Yield notes on constant and duplicate columns, row numbers and target leaks."""
    if data.rows < 2:
        return
    for name, array in data.inputs.items():
        yield from _constant(name, array)
    if data.rows < ROWS:
        return
    for name, array in sample.inputs.items():
        yield from _alike(name, columns_of(array))
        yield from _row_numbers(name, array)
        if kind:
            yield from _leaks(name, array, sample.target, kind)


def _constant(name, array):
    """Yield which columns are constant."""
    matrix = array.reshape(-1, 1 if array.ndim == 1 else array.shape[-1])
    constant = np.flatnonzero(matrix.min(axis=0) == matrix.max(axis=0))
    if len(constant):
        yield (
            f"Constant columns in {name}: {len(constant):,} of {matrix.shape[1]:,} "
            f"({listed(constant)})."
        )


def _alike(name, matrix):
    """Yield which columns duplicate an earlier one."""
    constant = np.ptp(matrix, axis=0) == 0
    seen: dict[int, int] = {}
    pairs = []
    for i in np.flatnonzero(~constant).tolist():
        first = seen.setdefault(hash(matrix[:, i].tobytes()), i)
        if first != i and np.array_equal(matrix[:, first], matrix[:, i]):
            pairs.append(f"{i} = {first}")
    if pairs:
        share = f"{len(pairs):,} of {matrix.shape[1]:,}"
        yield f"Duplicate columns in {name}: {share} ({listed(pairs)})."


def _row_numbers(name, array):
    """Yield which columns are row numbers."""
    matrix = array.reshape(len(array), -1)
    ends = matrix[-1].astype("float64") - matrix[0]
    likely = np.flatnonzero(np.abs(ends) == len(matrix) - 1)
    steps = (np.diff(matrix[:, i].astype("float64")) for i in likely)
    found = [i for i, step in zip(likely, steps, strict=True) if np.ptp(step) == 0]
    if found:
        yield f"{name} contains row numbers (column {listed(found)}): drop them."


def _leaks(name, array, y, kind):
    """Yield which columns may leak the target."""
    matrix = array.reshape(len(array), -1)
    classes = classes_of(y, kind)
    if classes is not None:
        found = _constant_in_classes(matrix, classes)
        how = "constant within each class, and not the same in all"
    elif y[0].size == 1:
        found = _correlated(matrix.astype("float64"), y.reshape(-1).astype("float64"))
        how = f"the correlation is above {SAME}"
    else:
        return
    if len(found):
        yield f"Columns of {name} that may leak y ({listed(found)}): {how}."


def _constant_in_classes(matrix, classes):
    labels = np.unique(classes)
    if len(labels) < 2 or len(matrix) < 5 * len(labels):
        return []
    constant, values = True, []
    for label in labels:
        rows = matrix[classes == label]
        constant &= (rows == rows[0]).all(axis=0)
        values.append(rows[0])
    return np.flatnonzero(constant & np.any(np.array(values) != values[0], axis=0))


def _correlated(matrix, y):
    matrix, y = matrix - matrix.mean(axis=0), y - y.mean()
    sizes = np.sqrt((matrix**2).sum(axis=0) * (y**2).sum())
    return np.flatnonzero((sizes > 0) & (np.abs(y @ matrix) > SAME * sizes))
