"""Targets: how labels are written, how often each occurs, how large amounts are."""

import numpy as np

from kcomponents.doctor._data_findings import finding
from kcomponents.doctor._data_target import FEW, classes_of
from kcomponents.doctor._data_words import listed

MOST, NEARLY_ALL, ROWS = 0.9, 0.98, 50
LARGE, EXTREME, FAR = 50.0, 1e4, 10.0


def labels(data, kind):
    """Yield what is wrong with a target that was read as this kind."""
    y = data.target
    if data.rows > 1 and (y == y[0]).all():
        shown = f"{float(y.reshape(-1)[0]):g}" if y[0].size == 1 else "the same row"
        evidence = (f"All {data.rows:,} targets are {shown}.",)
        yield finding("label_problem", "y", evidence, "high", "other_labels")
    elif kind == "numbers":
        yield from _amounts(y)
    elif kind == "positions":
        yield (
            "y holds several whole numbers a row, read as a label for each position; "
            "give floats if they are amounts."
        )
    elif kind == "labels":
        yield from _encoding(y.reshape(-1))
    else:
        yield from _rows(y, kind)
    classes = classes_of(y, kind)
    if classes is not None:
        yield from _balance(classes)


def _encoding(y):
    """Yield whether labels are 0, 1, 2, ..., as sparse losses want them."""
    values = np.unique(y)
    if values.tolist() == [-1, 1]:
        yield "Labels are -1 and 1: hinge wants these, cross-entropy (y + 1) / 2."
    elif len(y) > 1 and (values[0] != 0 or values[-1] != len(values) - 1):
        yield (
            f"{len(values)} labels ({listed(values)}) reach from {values[0]:g} to "
            f"{values[-1]:g}: a sparse cross-entropy wants 0 to {len(values) - 1}, "
            "as np.unique(y, return_inverse=True)[1] gives them."
        )
    if len(values) > FEW:
        yield (
            f"y holds {len(values):,} different whole numbers, read as labels; "
            "give floats if they are amounts."
        )


def _rows(y, kind):
    """Yield what is wrong with rows of 0 and 1."""
    sums = y.sum(axis=1, dtype="float64")
    odd = int((np.abs(sums - 1) >= 1e-3).sum())
    if kind == "one_hot" and odd:
        yield (
            f"Rows of y that do not sum to 1: {odd:,} of {len(y):,}; a softmax cannot "
            "say them, several labels a row want sigmoid and binary_crossentropy."
        )
    same = np.flatnonzero((y == y[0]).all(axis=0))
    if len(same):
        share = f"{len(same):,} of {y.shape[1]:,}"
        yield f"Columns of y that never change: {share} ({listed(same)})."


def _balance(classes):
    """Yield whether nearly all rows are of one class."""
    values, counts = np.unique(classes, return_counts=True)
    share = counts.max() / counts.sum()
    if len(values) < 2 or len(classes) < ROWS or share <= MOST:
        return
    told = (
        f"{share:.1%} of the labels are {values[counts.argmax()]}: a constant answer "
        "is right as often"
    )
    if share > NEARLY_ALL:
        severity = "medium" if share > 0.995 else "low"
        yield finding("class_imbalance", "y", (f"{told}.",), severity, "class_weight")
    else:
        yield f"{told}; use class_weight, and look at recall."


def _amounts(y):
    """Yield whether amounts are far from what an output says before training."""
    flat = y.reshape(len(y), -1).astype("float64")
    # Of images, some pixels hardly change.
    flat = flat if y.ndim <= 2 and flat.shape[1] <= FEW else flat.reshape(-1, 1)
    means, stds = flat.mean(axis=0), flat.std(axis=0)
    size = np.maximum(np.abs(means), stds)
    odd = (stds > LARGE) | (np.abs(means) > FAR * stds) & (stds > 0)
    if not odd.any():
        return
    worst = int(np.where(odd, size, -1).argmax())
    where = f" (column {worst})" if flat.shape[1] > 1 else ""
    told = (
        f"y{where} has mean {means[worst]:.3g} and standard deviation {stds[worst]:.3g}"
    )
    if size[worst] > EXTREME:
        evidence = (f"{told}, outputs begin near 0.",)
        yield finding("unnormalized_target", "y", evidence, "medium", "scale_target")
    else:
        yield f"{told}: train on (y - mean) / std."
