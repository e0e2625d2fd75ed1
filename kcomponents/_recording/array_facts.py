"""Facts about arrays: shape, range, mean, labels, duplicates."""

from typing import Any

import numpy as np

MOST_VALUES = 1000
MOST_COLUMNS = 1000


def input_facts(name, array):
    """Return facts of one input as plain values, from a sample of it."""
    values, found = _numbers(array)
    found = {"name": name, **found}
    if values is None:
        return found
    if values.ndim > 1:
        columns = values.reshape(-1, values.shape[-1])[:, :MOST_COLUMNS]
        found["column_mean"] = columns.mean(0).tolist()
        found["column_std"] = columns.std(0).tolist()
    # Distinct samples among these.
    found["distinct"] = len(np.unique(values.reshape(len(values), -1), axis=0))
    return found


def target_facts(array):
    """Return facts of targets as plain values, from a sample of them."""
    values, found = _numbers(array)
    if values is None:
        return found
    width = values.shape[-1] if values.ndim > 1 else 1
    if found["integer"]:
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) <= MOST_VALUES:
            found["values"], found["counts"] = distinct.tolist(), counts.tolist()
    if width > 1:
        sums = values.sum(-1)
        found["row_sum_min"] = float(sums.min())
        found["row_sum_max"] = float(sums.max())
        flat = values.reshape(-1, width)
        found["column_mean"] = flat.mean(0)[:MOST_COLUMNS].tolist()
        found["column_std"] = flat.std(0)[:MOST_COLUMNS].tolist()
    found["one_hot"] = bool(
        width > 1
        and found["integer"]
        and found["min"] == 0
        and found["max"] == 1
        and found["row_sum_min"] == found["row_sum_max"] == 1
    )
    return found


def contradictions(inputs, targets):
    """Return the share of samples whose inputs also occur with another target."""
    tables = [np.asarray(array).reshape(len(array), -1) for array in inputs]
    if any(table.dtype.kind not in "biuf" for table in tables):
        return 0.0
    rows = np.concatenate([table.astype("float64") for table in tables], 1)
    groups = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    flat = np.asarray(targets, "float64").reshape(len(rows), -1)
    kinds = np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1)
    pairs = np.unique(np.stack([groups, kinds]), axis=1)[0]
    of_group = np.bincount(pairs, minlength=groups.max() + 1)
    return float(np.mean(of_group[groups] > 1))


def _numbers(array):
    """Return an array as float64, NaN and infinity as 0, and facts about it."""
    array = np.asarray(array)
    found: dict[str, Any] = {
        "dtype": str(array.dtype),
        "shape": list(array.shape[1:]),
        "rows": len(array),
    }
    if array.dtype.kind not in "biuf" or not array.size:
        return None, found
    values = array.astype("float64")
    finite = np.isfinite(values)
    values = np.where(finite, values, 0.0)
    found["nonfinite"] = int((~finite).sum())
    found["integer"] = bool(np.all(values == np.floor(values)))
    for name in ("min", "max", "mean", "std"):
        found[name] = float(getattr(values, name)())
    return values, found


def outside(train, other):
    """Return the largest share, over columns, of values beyond the range of `train`."""
    train, other = np.asarray(train), np.asarray(other)
    if train.dtype.kind not in "iuf" or train.shape[1:] != other.shape[1:]:
        return 0.0
    if train[0].size > MOST_COLUMNS:
        return 0.0
    a = train.reshape(len(train), -1).astype("float64")
    b = other.reshape(len(other), -1).astype("float64")
    beyond = (b < a.min(0)) | (b > a.max(0))
    return float(beyond.mean(0).max())


def same_rows(train, other):
    """Return the share of samples of `other` that `train` holds too, byte for byte."""
    known = {np.ascontiguousarray(row).tobytes() for row in np.asarray(train)}
    rows = [np.ascontiguousarray(row).tobytes() for row in np.asarray(other)]
    return sum(row in known for row in rows) / max(len(rows), 1)
