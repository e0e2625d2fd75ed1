"""Correlation of neighboring inputs, which convolutions and recurrence need."""

import numpy as np

from kcomponents.doctor._data_read import drawn
from kcomponents.doctor._data_scale import are_pixels, may_be_ids

POSITIONS, ROWS = 8, 20
MOST_ROWS, PAIRS = 2_000, 1_000
# On Fisher's scale (arctanh), 0.99 vs 0.95 differs as much as 0.65 vs 0.
CLEARLY, SURE = 0.1, 3.0


def neighbors(data, generator):
    """Yield, for each input with positions, whether neighbors correlate more."""
    if data.rows < ROWS:
        return
    rows = drawn(generator, data, MOST_ROWS)
    for name, array in data.inputs.items():
        axes = places_of(array.shape)
        if axes and max(array.shape[axis] for axis in axes) >= POSITIONS:
            yield from _compared(name, array, rows, axes, generator)


def places_of(shape):
    """Return the axes of positions: all but samples and channels."""
    if len(shape) == 2:
        return (1,)
    return tuple(range(1, len(shape) - 1))


def _compared(name, array, rows, axes, generator):
    shape = array.shape[1:]
    here, near, far = _pairs(shape, [axis - 1 for axis in axes], generator)
    flat = array.reshape(len(array), -1)
    close = _correlation(flat, rows, here, near)
    apart = _correlation(flat, rows, here, far)
    if close is None or apart is None:
        return
    scores = f"{close.mean():.2f}, random pairs {apart.mean():.2f}"
    text = f"Neighbors in {name} correlate {scores}"
    if _clearly_more(close, apart, len(np.unique(here))):
        yield f"{text}: convolutions can use that."
    elif are_pixels(array) or not may_be_ids(array):
        use = "convolutions and recurrence have little to use"
        yield f"{text}, not clearly more: {use}."


def _clearly_more(close, apart, places):
    """Return whether neighbors correlate more than chance explains."""
    scores = [np.arctanh(min(part.mean(), 0.9999)) for part in (close, apart)]
    chance = SURE * apart.std() / np.sqrt(min(places, len(close)))
    return scores[0] - scores[1] > CLEARLY and close.mean() - apart.mean() > chance


def _pairs(shape, axes, generator):
    """Return flat positions, their neighbors, and random ones of the same channel."""
    axes = [axis for axis in axes if shape[axis] > 1]
    place = np.stack([generator.integers(0, size, PAIRS) for size in shape])
    far, step = place.copy(), np.zeros_like(place)
    for axis in axes:
        far[axis] = generator.integers(0, shape[axis], PAIRS)
    step[generator.choice(axes, PAIRS), np.arange(PAIRS)] = 1
    # The last position steps back.
    step = np.where(place + step < np.array(shape)[:, None], step, -step)
    beyond = np.abs(far - place).sum(axis=0) > 1
    far = np.where(beyond, far, place)
    return [np.ravel_multi_index(tuple(at), shape) for at in (place, place + step, far)]


def _correlation(flat, rows, first, second):
    """Return the absolute correlations of these pairs of columns."""
    distinct = first != second
    one, other = (
        flat[np.ix_(rows, at[distinct])].astype("float64") for at in (first, second)
    )
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    sizes = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    varying = sizes > 0
    if not varying.any():
        return None
    return np.abs((one * other).sum(axis=0)[varying]) / sizes[varying]
