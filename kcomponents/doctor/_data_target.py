"""Kinds of targets: labels, one-hot, several labels per sample, or numbers."""

import numpy as np

# More different integers than this may be rounded quantities.
FEW = 20


def kind_of(y):
    """Return the kind of a target.

    `"labels"`, one class per sample; `"one_hot"`, rows that sum to 1; `"multilabel"`, 0
    or 1 in each of several columns; `"positions"`, several integers per sample, such as
    the words of a sentence; `"numbers"`, regression targets.
    """
    flat = y.reshape(len(y), -1)
    if flat.shape[1] == 1:
        return "labels" if _are_labels(flat[:, 0]) else "numbers"
    binary = bool(np.isin(flat, (0, 1)).all())
    sums = flat.sum(axis=1, dtype="float64")
    one = np.abs(sums - 1) < 1e-3
    if y.ndim == 2 and flat.min() >= 0 and one.mean() > 0.9:
        return "one_hot"
    if binary and y.ndim == 2:
        return "multilabel"
    return "numbers" if y.dtype.kind == "f" else "positions"


def _are_labels(y):
    """Return whether these are labels: few integers, or many with few gaps."""
    values = np.unique(y)
    count, low, high = len(values), float(values[0]), float(values[-1])
    if not (values == np.round(values)).all():
        return False
    if count <= FEW and low == 0 and high == count - 1:
        return True
    if y.dtype.kind == "f":
        return count <= 2 and -2 < low and high <= 2
    dense = low >= 0 and high < 2 * count and len(y) >= 5 * count
    return dense or (count <= FEW and len(y) >= 2 * count)


def classes_of(y, kind):
    """Return the class of each sample as an integer, `None` for other kinds."""
    if kind == "one_hot":
        return y.argmax(axis=1)
    if kind == "labels":
        return y.reshape(-1).astype("int64")
    return None


def outputs_of(y, kind):
    """Return how many outputs a model needs."""
    if kind == "labels":
        return len(np.unique(y))
    return int(y[0].size)
