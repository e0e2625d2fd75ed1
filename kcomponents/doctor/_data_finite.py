"""Values that are not finite: the one thing no training survives."""

import numpy as np

from kcomponents.doctor._data_findings import finding
from kcomponents.doctor._data_words import counted, listed


def not_finite(data):
    """Yield a finding for each array that holds NaN or infinity."""
    for name, array in data.arrays.items():
        if array.dtype.kind != "f" or (good := np.isfinite(array)).all():
            continue
        bad = ~good.reshape(len(array), -1)
        rows = np.flatnonzero(bad.any(axis=1))
        columns = np.flatnonzero(bad.any(axis=0))
        nan = int(np.isnan(array).sum())
        kinds = {"NaN": nan, "infinite": int(bad.sum()) - nan}
        shown = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items() if n)
        evidence = (
            f"{name} is not finite: {shown}, in {counted(len(rows), 'row')} of "
            f"{len(array):,} (rows {listed(rows)}; within a row, places "
            f"{listed(columns)}).",
        )
        target = name.endswith("y")
        rule = "label_problem" if target else "loss_nan"
        yield finding(rule, name, evidence, "high", "drop_rows")


def finite_rows(data):
    """Return the rows that are finite in every array, `None` if these are too few."""
    keep = np.ones(data.rows, bool)
    for array in data.arrays.values():
        if array.dtype.kind == "f":
            keep &= np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if keep.all():
        return data
    return data.take(keep) if 2 * keep.sum() >= data.rows else None


def skipped(data):
    """Return the note on rows that are not looked at any further."""
    return (
        f"Less than half of {counted(data.rows, 'row')} are finite: nothing else was "
        "looked at."
    )
