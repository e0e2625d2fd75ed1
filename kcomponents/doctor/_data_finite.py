"""NaN and infinity in the data, which make every weight NaN."""

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
            f"{name} contains NaN or infinity: {shown}, in {len(rows):,} of "
            f"{counted(len(array), 'sample')} ({_numbered('sample', rows)}; "
            f"{_numbered('position', columns)}).",
        )
        target = name.endswith("y")
        label = "label_problem" if target else "loss_nan"
        yield finding(label, name, evidence, "high", "drop_rows")


def _numbered(noun, numbers):
    """Return `sample 5` or `samples 5, 8`."""
    return f"{noun}{'s' * (len(numbers) > 1)} {listed(numbers)}"


def finite_rows(data):
    """Return the samples that are finite in every array, `None` if under half are."""
    keep = np.ones(data.rows, bool)
    for array in data.arrays.values():
        if array.dtype.kind == "f":
            keep &= np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if keep.all():
        return data
    return data.take(keep) if 2 * keep.sum() >= data.rows else None


def skipped(data):
    """Return the note that the remaining checks were skipped."""
    return (
        f"Less than half of {counted(data.rows, 'sample')} are finite: all other "
        "checks were skipped."
    )
