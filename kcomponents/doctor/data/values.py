"""Checks of values: scale, constant or leaking columns, NaN and infinity."""

import numpy as np

from kcomponents._scoring.features import constants_of_classes
from kcomponents._text import listing, quantity, sentence
from kcomponents.doctor import _remedies
from kcomponents.doctor._thresholds import input_scale
from kcomponents.doctor.data.arrays import classes_of, columns_of
from kcomponents.doctor.diagnosis import Finding

# Integers up to this may be categories.
MOST_CATEGORIES = 100
# Notes without a finding: columns that differ by this factor, values this far off.
UNLIKE, FAR = 1e3, 1e3
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
        elif may_be_ids(array):
            if array.max() > MOST_CATEGORIES:
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
    if not array.any():
        return True
    typical = np.quantile(highest[highest > 0], 0.75, method="lower")
    return bool(typical >= 0.1 * highest.max())


def _sizes(name, columns):
    """Yield findings and notes on columns of quantities."""
    means, stds = columns.mean(axis=0), columns.std(axis=0)
    worst = int(np.maximum(np.abs(means), stds).argmax())
    spread = f"mean {means[worst]:.3g} and standard deviation {stds[worst]:.3g}"
    ratio = _ratio(columns, stds)
    found = input_scale([columns.mean(), *means], [columns.std(), *stds])
    if found:
        text = {
            "large": f"column {worst} of {name} has {spread}, too large for a model "
            "without a normalization layer",
            "tiny": f"all values of {name} are tiny: they range from "
            f"{columns.min():.3g} to {columns.max():.3g}",
            "unlike": f"standard deviations in {name} differ by a factor of "
            f"{found.ratio:,.0f}",
        }[found.kind]
        remedies = _remedies.unnormalized_input()
        evidence = (sentence(text),)
        yield Finding("unnormalized_input", name, evidence, found.severity, remedies)
    elif ratio > UNLIKE:
        text = f"Standard deviations in {name} differ by a factor of {ratio:,.0f}"
        yield f"{text}: {NORMALIZE}."
    elif (far := np.abs(columns[np.abs(columns) > FAR])).size:
        yield (
            f"{name} holds {quantity(far.size, 'value')} beyond {FAR:g}, up to "
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
        yield from _duplicates(name, columns_of(array))
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
            f"({listing(constant)})."
        )


def _duplicates(name, matrix):
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
        yield f"Duplicate columns in {name}: {share} ({listing(pairs)})."


def _row_numbers(name, array):
    """Yield which columns are row numbers."""
    matrix = array.reshape(len(array), -1)
    ends = matrix[-1].astype("float64") - matrix[0]
    likely = np.flatnonzero(np.abs(ends) == len(matrix) - 1)
    steps = (np.diff(matrix[:, i].astype("float64")) for i in likely)
    found = [i for i, step in zip(likely, steps, strict=True) if np.ptp(step) == 0]
    if found:
        yield f"{name} contains row numbers (column {listing(found)}): drop them."


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
        yield f"Columns of {name} that may leak y ({listing(found)}): {how}."


def _constant_in_classes(matrix, classes):
    labels = np.unique(classes)
    if len(labels) < 2 or len(matrix) < 5 * len(labels):
        return []
    constant, values = constants_of_classes(matrix, classes)
    return np.flatnonzero(constant & np.any(values != values[0], axis=0))


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
            f"{quantity(len(array), 'sample')} ({_numbered('sample', rows)}; "
            f"{_numbered('position', columns)}).",
        )
        target = name.endswith("y")
        label = "label_problem" if target else "loss_nan"
        yield Finding(label, name, evidence, "high", _remedies.nonfinite_samples())


def _numbered(noun, numbers):
    """Return `sample 5` or `samples 5, 8`."""
    return f"{noun}{'s' * (len(numbers) > 1)} {listing(numbers)}"


def finite_rows(data):
    """Return the samples that are finite in every array, `None` if under half are."""
    keep = np.ones(data.rows, bool)
    for array in data.arrays.values():
        if array.dtype.kind == "f":
            keep &= np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if keep.all():
        return data
    return data.rows_at(keep) if 2 * keep.sum() >= data.rows else None


def skip_note(data):
    """Return the note that the remaining checks were skipped."""
    return (
        f"Less than half of {quantity(data.rows, 'sample')} are finite: all other "
        "checks were skipped."
    )
