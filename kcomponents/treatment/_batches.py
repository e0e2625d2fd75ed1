"""The first batches of the data of a `fit`, in any form that it takes."""

import itertools

import keras
import numpy as np

from kcomponents._checks import fail
from kcomponents._recording.sample import as_numpy


def first_batches(x, y, sample_weight, batch_size, count, seed=0):
    """Return a list of batches, tuples of inputs, targets and weights of samples.

    Samples of arrays are shuffled, as in `fit`. If there are fewer batches than
    wanted, those of arrays, datasets and `PyDataset`s are repeated.

    Args:
        x: Inputs: arrays, or an iterable of batches.
        y: Targets, or `None`.
        sample_weight: Weights of samples, or `None`.
        batch_size: Integer, of arrays.
        count: Integer, how many batches.
        seed: Integer, of the order of samples. Defaults to `0`.

    Raises:
        ValueError: If there is no batch, or arrays have different lengths.
    """
    if _is_arrays(x):
        given = _of_arrays((x, y, sample_weight), batch_size, count, seed)
    else:
        given = itertools.islice(_of_iterable(x), count)
    found = [tuple(map(_as_arrays, batch)) for batch in given]
    if not found:
        fail("`x` must have at least one batch.", x=type(x).__name__)
    return list(itertools.islice(itertools.cycle(found), count))


def _is_arrays(x):
    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def _of_arrays(parts, batch_size, count, seed):
    parts = [_as_arrays(part) for part in parts]
    lengths = {len(leaf) for leaf in keras.tree.flatten(parts) if leaf is not None}
    if len(lengths) != 1:
        rule = "`x`, `y` and `sample_weight` must have the same number of samples."
        fail(rule, lengths=sorted(lengths))
    [length] = lengths
    random = np.random.default_rng(seed)
    order = random.permutation(length)
    for number in range(min(count, -(-length // batch_size))):
        chosen = order[number * batch_size : (number + 1) * batch_size]
        yield tuple(
            None
            if part is None
            else keras.tree.map_structure(lambda leaf, rows=chosen: leaf[rows], part)
            for part in parts
        )


def _of_iterable(x):
    if isinstance(x, keras.utils.PyDataset):
        # It may have no end.
        endless = x.num_batches is None
        numbers = itertools.count() if endless else range(x.num_batches)
        batches = map(x.__getitem__, numbers)
    else:
        batches = x
    for batch in batches:
        batch = tuple(batch) if isinstance(batch, list | tuple) else (batch,)
        yield (*batch, None, None)[:3]


def _as_arrays(part):
    if part is None:
        return None
    return keras.tree.map_structure(
        lambda leaf: leaf if leaf is None else as_numpy(leaf), part
    )
