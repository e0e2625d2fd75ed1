"""The scale of inputs: pixels, ids, large values, columns on different scales."""

import numpy as np

from kcomponents.doctor._data_findings import finding
from kcomponents.doctor._data_read import columns_of
from kcomponents.doctor._data_words import counted, sentence

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
