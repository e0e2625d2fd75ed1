"""The scale of inputs: pixels, ids, large values, columns on different scales."""

import numpy as np

from kcomponents._text import counted, listed, sentence
from kcomponents.doctor.data.arrays import classes_of, columns_of
from kcomponents.doctor.data.findings import finding

LARGE, EXTREME = 1e2, 1e4
UNLIKE, VERY_UNLIKE = 1e3, 1e6
NORMALIZE = "start the model with keras.layers.Normalization if it does not already"


def scale(sample):
    """Yield findings and notes on the scale of each input."""
    for name, array in sample.inputs.items():
        if array.dtype == bool:
            continue
        if are_pixels(array):
            yield (
                f"{name} holds integers from {array.min():g} to {array.max():g}, like "
                "pixels: start the model with keras.layers.Rescaling(1 / 255) if it "
                "does not already."
            )
        elif may_be_ids(array) and array.max() > LARGE:
            yield (
                f"{name} holds integers from {array.min()} to {array.max():,}: use "
                "keras.layers.Embedding for ids, keras.layers.Normalization for "
                "quantities."
            )
        else:
            yield from _sizes(name, columns_of(array))


def are_pixels(array):
    """Return whether these are images of bytes, flat or not: integers up to 255."""
    positions = array[0].size
    low, high = array.min(), array.max()
    if positions < 16 or low < 0 or not 50 < high <= 255:
        return False
    # Letters are bytes too, but at most 126.
    if array.ndim == 2 and high < 200:
        return False
    return array.dtype.kind in "iu" or bool((array == np.round(array)).all())


def may_be_ids(array):
    """Return whether integers may be ids: all columns have similar maxima."""
    if array.dtype.kind not in "iu" or array.ndim > 2 or array.min() < 0:
        return False
    highest = array.reshape(len(array), -1).max(axis=0)
    usual = (
        np.quantile(highest[highest > 0], 0.75, method="lower") if array.any() else 0
    )
    return bool(usual >= 0.1 * highest.max())


def _sizes(name, columns):
    """Yield findings and notes on columns of quantities."""
    means, stds = columns.mean(axis=0), columns.std(axis=0)
    sizes = np.maximum(np.abs(means), stds)
    worst, ratio = int(sizes.argmax()), _ratio(columns, stds)
    texts = []
    if sizes[worst] > LARGE:
        spread = f"mean {means[worst]:.3g} and standard deviation {stds[worst]:.3g}"
        texts.append(f"column {worst} of {name} has {spread}")
    if ratio > UNLIKE:
        texts.append(
            f"standard deviations in {name} differ by a factor of {ratio:,.0f}"
        )
    if sizes[worst] > EXTREME or ratio > VERY_UNLIKE:
        severity = "high" if sizes[worst] > EXTREME**2 else "medium"
        evidence = map(sentence, texts)
        yield finding("unnormalized_input", name, evidence, severity, "normalize")
    elif texts:
        yield f"{sentence('; '.join(texts))[:-1]}: {NORMALIZE}."
    elif (far := np.abs(columns[np.abs(columns) > EXTREME])).size:
        yield (
            f"{name} holds {counted(far.size, 'value')} beyond {EXTREME:g}, up to "
            f"{far.max():.3g}, far from the others: clip them or use logarithms."
        )


def _ratio(columns, stds):
    """Return how much columns differ in scale, by both standard deviation and range.

    A column that is nearly always 0 has a small standard deviation but is harmless.
    """
    vary = stds > 0
    if vary.sum() < 2:
        return 1.0
    ranges = np.ptp(columns[:, vary], axis=0)
    stds = stds[vary]
    return float(min(stds.max() / stds.min(), ranges.max() / ranges.min()))


# Columns that are constant, duplicated, row numbers, or leak the target.

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


# NaN and infinity in the data, which make every weight NaN.


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
