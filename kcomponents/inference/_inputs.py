"""Inputs of a model, converted to arrays."""

import keras
import numpy as np

from kcomponents._check import fail

RULE = (
    "`x` must be an array of numbers, a list or dict of these, or an iterable of "
    "batches, with at least one input."
)


def read(x):
    """Return inputs as an array, or a list, tuple or dict of arrays of equal length.

    Raises:
        ValueError: If they are not numbers, empty, or of different lengths.
    """
    if not _is_arrays(x):
        batches = list(_batches(x))
        if not batches or not all(map(_is_arrays, batches)):
            fail(RULE, x=x)
        arrays = [keras.tree.map_structure(_array, batch) for batch in batches]
        return _checked(keras.tree.map_structure(_joined, *arrays), x)
    return _checked(keras.tree.map_structure(_array, x), x)


def length(x):
    """Return the number of inputs."""
    return len(keras.tree.flatten(x)[0])


def cut(x, start, rows):
    """Return a chunk of each array, padded with its last row."""
    return keras.tree.map_structure(
        lambda a: a[np.minimum(np.arange(start, start + rows), len(a) - 1)], x
    )


def _is_arrays(x):
    parts = keras.tree.flatten(x) if isinstance(x, (list, tuple, dict)) else [x]
    return bool(parts) and all(hasattr(part, "shape") for part in parts)


def _batches(x):
    if isinstance(x, keras.utils.PyDataset):
        x = (x[index] for index in range(x.num_batches))
    if isinstance(x, (str, dict)) or not hasattr(x, "__iter__"):
        fail(RULE, x=x)
    for batch in x:
        # Training data has targets too, which are ignored.
        yield batch[0] if isinstance(batch, tuple) else batch


def _array(x):
    array = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
    if array.dtype.kind in "OUSM":
        fail(RULE, x=x)
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def _joined(*arrays):
    return np.concatenate(arrays)


def _checked(arrays, x):
    lengths = {a.shape[0] if a.ndim else 0 for a in keras.tree.flatten(arrays)}
    if len(lengths) != 1 or lengths == {0}:
        fail(f"{RULE} All arrays must have equal length.", lengths=sorted(lengths))
    return arrays
