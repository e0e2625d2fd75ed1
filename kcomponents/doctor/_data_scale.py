"""How large inputs are: pixels, ids, amounts, columns of very different size."""

import numpy as np

from kcomponents.doctor._data_findings import finding
from kcomponents.doctor._data_read import columns_of
from kcomponents.doctor._data_words import counted, sentence

LARGE, EXTREME = 1e2, 1e4
UNLIKE, VERY_UNLIKE = 1e3, 1e6
NORMALIZE = "unless the model begins with it, use keras.layers.Normalization"


def scale(sample):
    """Yield what the size of each input will do to a training."""
    for name, array in sample.inputs.items():
        if array.dtype == bool:
            continue
        if are_pixels(array):
            yield (
                f"{name} holds whole numbers from {array.min():g} to {array.max():g}, "
                "as pixels do: unless the model begins with it, use "
                "keras.layers.Rescaling(1 / 255)."
            )
        elif may_be_ids(array) and array.max() > LARGE:
            yield (
                f"{name} holds whole numbers from {array.min()} to {array.max():,}: if "
                "they are ids, use keras.layers.Embedding, if they are amounts, "
                "keras.layers.Normalization."
            )
        else:
            yield from _sizes(name, columns_of(array))


def are_pixels(array):
    """Tell bytes of images, flat or not, by their whole numbers up to 255."""
    positions = array[0].size
    low, high = array.min(), array.max()
    if positions < 16 or low < 0 or not 50 < high <= 255:
        return False
    # Letters are bytes too, but end at 126.
    if array.ndim == 2 and high < 200:
        return False
    return array.dtype.kind in "iu" or bool((array == np.round(array)).all())


def may_be_ids(array):
    """Tell whole numbers that may stand for words: columns that reach equally far."""
    if array.dtype.kind not in "iu" or array.ndim > 2 or array.min() < 0:
        return False
    highest = array.reshape(len(array), -1).max(axis=0)
    usual = (
        np.quantile(highest[highest > 0], 0.75, method="lower") if array.any() else 0
    )
    return bool(usual >= 0.1 * highest.max())


def _sizes(name, columns):
    """Yield what is to be said of columns of amounts."""
    means, stds = columns.mean(axis=0), columns.std(axis=0)
    sizes = np.maximum(np.abs(means), stds)
    worst, ratio = int(sizes.argmax()), _ratio(columns, stds)
    told = []
    if sizes[worst] > LARGE:
        spread = f"mean {means[worst]:.3g} and standard deviation {stds[worst]:.3g}"
        told.append(f"column {worst} of {name} has {spread}")
    if ratio > UNLIKE:
        told.append(
            f"standard deviations of columns of {name} differ {ratio:,.0f}-fold"
        )
    if sizes[worst] > EXTREME or ratio > VERY_UNLIKE:
        severity = "high" if sizes[worst] > EXTREME**2 else "medium"
        evidence = map(sentence, told)
        yield finding("unnormalized_input", name, evidence, severity, "normalize")
    elif told:
        yield f"{sentence('; '.join(told))[:-1]}: {NORMALIZE}."
    elif (far := np.abs(columns[np.abs(columns) > EXTREME])).size:
        yield (
            f"{name} holds {counted(far.size, 'value')} beyond {EXTREME:g}, up to "
            f"{far.max():.3g}, far from the others: clip them, or take logarithms."
        )


def _ratio(columns, stds):
    """Return how unlike the columns that vary are, by spread and by range both.

    A column that is nearly always 0 has a small spread, which does no harm.
    """
    vary = stds > 0
    if vary.sum() < 2:
        return 1.0
    ranges = np.ptp(columns[:, vary], axis=0)
    stds = stds[vary]
    return float(min(stds.max() / stds.min(), ranges.max() / ranges.min()))
