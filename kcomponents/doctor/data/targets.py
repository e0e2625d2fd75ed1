"""Targets: label encoding, class balance, and the scale of regression targets."""

import numpy as np

from kcomponents._text import listing
from kcomponents.doctor import _remedies
from kcomponents.doctor._thresholds import target_severity
from kcomponents.doctor.data.arrays import FEW, classes_of
from kcomponents.doctor.diagnosis import Finding

MOST, NEARLY_ALL, ROWS = 0.9, 0.98, 50
# A column of the targets gets a note if its standard deviation, or its mean in standard
# deviations, is above these.
LARGE, FAR = 50.0, 10.0


def labels(data, kind):
    """Yield findings and notes on a target of this kind."""
    y = data.target
    if data.rows > 1 and (y == y[0]).all():
        shown = f"{float(y.reshape(-1)[0]):g}" if y[0].size == 1 else "the same"
        evidence = (f"All {data.rows:,} targets are {shown}.",)
        remedies = _remedies.constant_targets()
        yield Finding("label_problem", "y", evidence, "high", remedies)
    elif kind == "numbers":
        yield from _quantities(y)
    elif kind == "positions":
        yield (
            "y holds several integers per sample, read as one label per position; pass "
            "floats for a regression."
        )
    elif kind == "labels":
        yield from _encoding(y.reshape(-1))
    else:
        yield from _rows(y, kind)
    classes = classes_of(y, kind)
    if classes is not None:
        yield from _balance(classes)


def _encoding(y):
    """Yield notes on labels other than 0, 1, 2, ..., which sparse losses expect."""
    values = np.unique(y)
    if values.tolist() == [-1, 1]:
        yield "Labels are -1 and 1, as hinge expects; cross-entropy needs (y + 1) / 2."
    elif len(y) > 1 and (values[0] != 0 or values[-1] != len(values) - 1):
        yield (
            f"{len(values)} labels ({listing(values)}) range from {values[0]:g} to "
            f"{values[-1]:g}, but a sparse cross-entropy expects 0 to "
            f"{len(values) - 1}: use np.unique(y, return_inverse=True)[1]."
        )
    if len(values) > FEW:
        yield (
            f"y holds {len(values):,} different integers, read as labels; pass floats "
            "for a regression."
        )


def _rows(y, kind):
    """Yield notes on rows of 0 and 1."""
    sums = y.sum(axis=1, dtype="float64")
    odd = int((np.abs(sums - 1) >= 1e-3).sum())
    if kind == "one_hot" and odd:
        yield (
            f"{odd:,} of {len(y):,} rows of y do not sum to 1, as softmax outputs do; "
            "for several labels per sample, use sigmoid and binary_crossentropy."
        )
    same = np.flatnonzero((y == y[0]).all(axis=0))
    if len(same):
        share = f"{len(same):,} of {y.shape[1]:,}"
        yield f"Constant columns in y: {share} ({listing(same)})."


def _balance(classes):
    """Yield a finding or a note if nearly all samples belong to one class."""
    values, counts = np.unique(classes, return_counts=True)
    share = counts.max() / counts.sum()
    if len(values) < 2 or len(classes) < ROWS or share <= MOST:
        return
    text = (
        f"{share:.1%} of the labels are {values[counts.argmax()]}: a constant "
        "prediction is right as often"
    )
    if share > NEARLY_ALL:
        severity = "medium" if share > 0.995 else "low"
        remedies = _remedies.class_imbalance()
        yield Finding("class_imbalance", "y", (f"{text}.",), severity, remedies)
    else:
        yield f"{text}; use class_weight, and watch the recall."


def _quantities(y):
    """Yield whether regression targets are far from an untrained output, near 0."""
    flat = y.reshape(len(y), -1).astype("float64")
    if severity := target_severity(flat.mean(), flat.std()):
        evidence = (
            f"y has mean {flat.mean():.3g} and standard deviation {flat.std():.3g}, "
            "but an untrained network predicts values near 0.",
        )
        remedies = _remedies.unnormalized_target()
        yield Finding("unnormalized_target", "y", evidence, severity, remedies)
        return
    # Columns of images are not judged one by one: some pixels hardly change.
    flat = flat if y.ndim <= 2 and flat.shape[1] <= FEW else flat.reshape(-1, 1)
    means, stds = flat.mean(axis=0), flat.std(axis=0)
    odd = (stds > LARGE) | (np.abs(means) > FAR * stds) & (stds > 0)
    if odd.any():
        sizes = np.maximum(np.abs(means), stds)
        worst = int(np.where(odd, sizes, -1).argmax())
        where = f" (column {worst})" if flat.shape[1] > 1 else ""
        yield (
            f"y{where} has mean {means[worst]:.3g} and standard deviation "
            f"{stds[worst]:.3g}: train on (y - mean) / std."
        )
