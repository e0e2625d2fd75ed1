"""Spans: the lowest and highest values of the units of a model on some data."""

import keras
import numpy as np

from kcomponents._check import fail, positive_int


def spans_of(model, ways, x, batch_size):
    """Return a dict of tensor id to the lowest and highest values over the samples.

    Args:
        model: `Sequential` or functional model.
        ways: List of `Way`, whose takers' input tensors are measured.
        x: Array, list or dict of arrays, or an iterable of batches of these, or of
            tuples that start with them.
        batch_size: Int, for arrays.
    """
    tensors = {id(t): t for way in ways for _, t in way.takers}
    if not tensors:
        return {}
    chain = isinstance(model, keras.Sequential)
    inputs = model.inputs[0] if chain else model.input
    hidden = keras.Model(inputs, list(tensors.values()))
    low = high = None
    for batch in _batches(x, positive_int("batch_size", batch_size)):
        found = keras.tree.flatten(hidden.predict_on_batch(batch))
        lowest = [np.min(values, axis=0) for values in found]
        highest = [np.max(values, axis=0) for values in found]
        if low is not None:
            lowest = list(map(np.minimum, low, lowest))
            highest = list(map(np.maximum, high, highest))
        low, high = lowest, highest
    if low is None:
        fail("`x` must have at least one sample.", x=x)
    return dict(zip(tensors, zip(low, high, strict=True), strict=True))


def _batches(x, size):
    arrays = keras.tree.flatten(x) if isinstance(x, list | dict) else [x]
    if not all(hasattr(array, "shape") for array in arrays):
        for batch in x:
            yield batch[0] if isinstance(batch, tuple) else batch
        return
    for start in range(0, len(arrays[0]) if arrays else 0, size):
        parts = [array[start : start + size] for array in arrays]
        yield keras.tree.pack_sequence_as(x, parts)
