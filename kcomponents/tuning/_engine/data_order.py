"""The order of the training data, which differs between the repeats of a trial."""

import contextlib
import functools
import inspect
import math

import keras
import numpy as np

from kcomponents._keras.method_covers import MethodCovers

# The arguments of `fit` with one entry per sample, and the names of its positions.
DATA = ("x", "y", "sample_weight")
POSITIONS = list(inspect.signature(keras.Model.fit).parameters)[1:]


@contextlib.contextmanager
def other_order(model, seed):
    """Permute the arrays that `model.fit` gets by a seed, in a context.

    Some versions of Keras shuffle in an order that depends on the epoch only. Without
    this, models with other seeds would see the same batches. With `validation_split`,
    the same samples validate. Data that Keras does not shuffle are left as they are:
    datasets, generators, and arrays with `shuffle=False`. So are arrays with
    `shuffle="batch"` or in a file (`numpy.memmap`), which would be read as a whole, and
    sparse and ragged tensors.

    Args:
        model: Keras model.
        seed: Integer.
    """
    generator = np.random.default_rng(seed)

    def cover(fit):
        @functools.wraps(fit)
        def with_other_order(*args, **kwargs):
            count = min(len(args), len(POSITIONS))
            named = dict(zip(POSITIONS, args, strict=False))
            data = _permuted({**named, **kwargs}, generator)
            first = [data.get(n, named[n]) for n in POSITIONS[:count]]
            others = {n: data.get(n, value) for n, value in kwargs.items()}
            return fit(*first, *args[count:], **others)

        return with_other_order

    covers = MethodCovers()
    covers.cover(model, "fit", cover)
    try:
        yield
    finally:
        covers.remove()


def _permuted(arguments, generator):
    """Return the arguments of `fit` whose samples are permuted, none if not possible.

    Args:
        arguments: Dict, arguments of `fit` by name.
        generator: NumPy generator of random numbers.
    """
    shuffle = arguments.get("shuffle", True)
    data = {name: arguments[name] for name in DATA if name in arguments}
    leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
    if not shuffle or isinstance(shuffle, str) or not all(map(_is_array, leaves)):
        return {}
    sizes = {int(leaf.shape[0]) for leaf in leaves}
    if len(sizes) != 1:
        # Keras says what is wrong.
        return {}
    [size] = sizes
    share = arguments.get("validation_split") or 0.0
    if arguments.get("validation_data") is not None:
        share = 0.0
    # As in Keras: the samples after these validate.
    count = math.floor(size * (1.0 - share))
    order = np.concatenate([generator.permutation(count), np.arange(count, size)])
    try:
        return keras.tree.map_structure(lambda leaf: _rows(leaf, order), data)
    except (TypeError, ValueError):
        # Sparse and ragged tensors.
        return {}


def _is_array(leaf):
    if isinstance(leaf, np.memmap) or not getattr(leaf, "shape", ()):
        return False
    table = hasattr(leaf, "iloc") or hasattr(leaf, "tocsr")
    return table or isinstance(leaf, np.ndarray) or keras.ops.is_tensor(leaf)


def _rows(leaf, order):
    """Return the rows of an array, of a table of pandas or SciPy, or of a tensor."""
    if leaf is None:
        return None
    if hasattr(leaf, "iloc"):
        return leaf.iloc[order]
    if hasattr(leaf, "tocsr"):
        return leaf.tocsr()[order]
    if isinstance(leaf, np.ndarray):
        return leaf[order]
    return keras.ops.take(leaf, order, axis=0)
