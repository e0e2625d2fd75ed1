"""Features of inputs for simple models: columns, bags of ids, and coarse pictures."""

import hashlib

import numpy as np

FEATURES = 400
# The most ids that are counted, the most frequent ones.
IDS = 300
# Pictures are averaged over a grid of about this many cells.
CELLS = 100
# The most elements that are converted at once, so few that they stay in the cache.
CHUNK = 2**17


def features_of(inputs, rows=None, ids=()):
    """Return a table with a row for each sample, or None for inputs without numbers.

    Args:
        inputs: List of arrays.
        rows: Array of the rows to take, or None for all.
        ids: Indices of the inputs that hold ids.
    """
    columns = []
    for index, array in enumerate(inputs):
        if array.dtype.kind not in "biuf" or not array.size:
            return None
        array = array if rows is None else array[rows]
        if index in ids:
            columns.append(_bag(array.reshape(len(array), -1)))
        elif array.ndim == 4 and array[0].size > FEATURES:
            columns.append(_in_parts(_picture, array))
        elif array.ndim == 3 and array[0].size > FEATURES:
            columns.append(_in_parts(_series, array))
        else:
            columns.append(array.reshape(len(array), -1).astype("float64"))
    if not columns or len({len(c) for c in columns}) > 1:
        return None
    x = np.concatenate(columns, 1)
    if not np.isfinite(x).all() or not x.shape[1]:
        return None
    return _evenly(x, FEATURES)


def _in_parts(function, array):
    """Return what a function of some samples returns for all, as float64."""
    size = max(1, CHUNK // array[0].size)
    starts = range(0, len(array), size)
    parts = [array[start : start + size].astype("float64") for start in starts]
    return np.concatenate([function(part) for part in parts])


def _evenly(x, most):
    return x[:, :: max(1, -(-x.shape[1] // most))]


def _bag(ids):
    """Return how often each of the most frequent ids occurs."""
    values, places, counts = np.unique(ids, return_inverse=True, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:IDS]
    column_of = np.full(len(values), -1)
    column_of[kept] = np.arange(len(kept))
    columns = column_of[places.reshape(-1)].reshape(ids.shape)
    found = np.zeros((len(ids), len(kept)))
    rows = np.broadcast_to(np.arange(len(ids))[:, None], ids.shape)
    known = columns >= 0
    np.add.at(found, (rows[known], columns[known]), 1.0)
    return np.log1p(found)


def _picture(images):
    """Return mean, spread and slopes of each cell of a grid."""
    height, width, channels = images.shape[1:]
    side = max(2, int(np.sqrt(CELLS / channels)))
    down, right = -(-height // side), -(-width // side)
    energies = [
        images,
        np.abs(np.diff(images, axis=1, append=images[:, -1:])),
        np.abs(np.diff(images, axis=2, append=images[:, :, -1:])),
    ]
    pooled = [
        np.add.reduceat(
            np.add.reduceat(e, range(0, height, down), axis=1),
            range(0, width, right),
            axis=2,
        )
        for e in energies
    ]
    # Slopes on a coarser grid, as they say more of what there is than where.
    slopes = [p.mean((1, 2)) for p in pooled[1:]]
    cells = [p.reshape(len(images), -1) / (down * right) for p in pooled]
    return np.concatenate([*cells, *slopes], 1)


def _series(series):
    """Return some of the values, and mean, spread and range of each channel."""
    values = _evenly(series.reshape(len(series), -1), FEATURES // 2)
    last = series[:, -1]
    steps = np.abs(np.diff(series, axis=1)).mean(1)
    parts = [series.mean(1), series.std(1), series.min(1), series.max(1), steps, last]
    return np.concatenate([values, _evenly(np.concatenate(parts, 1), FEATURES // 2)], 1)


def constants_of_classes(matrix, classes):
    """Return which columns are constant in each class, and their first values there.

    Args:
        matrix: Array of shape `(samples, columns)`.
        classes: Array of shape `(samples,)`.

    Returns:
        Boolean array of shape `(columns,)`, array of shape `(classes, columns)`.
    """
    groups = [matrix[classes == label] for label in np.unique(classes)]
    constant = np.all([(rows == rows[0]).all(axis=0) for rows in groups], axis=0)
    return constant, np.array([rows[0] for rows in groups])


def digests(arrays):
    """Return one number per sample, equal for equal samples."""
    flat = [array.reshape(len(array), -1) for array in arrays]
    step = max(1, CHUNK // max(1, sum(part.shape[1] for part in flat)))
    numbers = []
    for start in range(0, len(flat[0]), step):
        parts = [part[start : start + step].astype("float64") for part in flat]
        # Adding 0 turns -0 into 0.
        block = np.ascontiguousarray(np.concatenate(parts, axis=1) + 0.0)
        # Many processors have instructions for this hash.
        numbers += [hashlib.sha256(row).digest()[:8] for row in block]
    return np.frombuffer(b"".join(numbers), "u8")
