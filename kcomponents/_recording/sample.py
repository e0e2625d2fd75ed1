"""Sample: some of the training data, taken without affecting the run."""

import keras
import numpy as np

# Samples that facts are computed from, and samples that the model is run on.
ROWS, LOOK_ROWS = 5000, 512
ELEMENTS = 4_000_000


class Sample:
    """Some inputs and targets, as numpy arrays.

    `x` is nested as the model takes it, `y` as the loss takes it, or `y` is None.
    `sorted` is the share of samples with the same target as the sample before, in the
    original order.
    """

    def __init__(self, x, y, rows=None):
        self.x, self.y = x, y
        self.sorted = None
        leaves = keras.tree.flatten(x)
        self.size = len(leaves[0]) if leaves else 0
        self.rows = self.size if rows is None else rows

    def few(self, rows=LOOK_ROWS):
        """Return the first samples, few enough to run the model on quickly."""
        wide = sum(leaf[0].size for leaf in keras.tree.flatten(self.x))
        rows = min(rows, max(16, ELEMENTS // 8 // max(wide, 1)))

        def cut(leaf):
            return leaf[:rows]

        y = None if self.y is None else keras.tree.map_structure(cut, self.y)
        return Sample(keras.tree.map_structure(cut, self.x), y, self.rows)


def sample_of(x, y):
    """Return random samples of arrays, or None if they are not arrays."""
    leaves = keras.tree.flatten(x)
    if not leaves or not all(_is_array(leaf) for leaf in leaves):
        return None
    size = len(leaves[0])
    wide = sum(int(np.prod(leaf.shape[1:])) for leaf in leaves)
    wanted = min(size, ROWS, max(64, ELEMENTS // max(wide, 1)))
    # At random, because sorted data may start with a single class.
    rows = np.random.default_rng(0).permutation(size)[:wanted]

    def cut(leaf):
        return _as_numpy(leaf)[rows]

    found = Sample(keras.tree.map_structure(cut, x), None, size)
    if y is not None:
        found.y = keras.tree.map_structure(cut, y)
        found.sorted = _alike(_as_numpy(keras.tree.flatten(y)[0])[:ROWS])
    return found


def _alike(targets):
    """Return the share of targets that equal the target before."""
    flat = targets.reshape(len(targets), -1)
    return float(np.mean((flat[1:] == flat[:-1]).all(1))) if len(flat) > 1 else None


def sample_of_batches(batches):
    """Return all samples of the given batches, as `fit` draws them."""
    unpacked = [keras.utils.unpack_x_y_sample_weight(batch) for batch in batches]
    xs, ys, _ = zip(*unpacked, strict=True)
    try:
        return Sample(_joined(xs), None if ys[0] is None else _joined(ys))
    except ValueError:
        # Batches of different lengths, such as padded text, cannot be joined: use one.
        return Sample(_joined(xs[:1]), None if ys[0] is None else _joined(ys[:1]))


def validation_of(known):
    """Return samples of the validation data in the arguments of `fit`, or None."""
    given = known.get("validation_data")
    if not isinstance(given, list | tuple) or len(given) < 2:
        return None
    found = sample_of(given[0], given[1])
    return found if found is not None and found.y is not None else None


def _joined(parts):
    parts = [keras.tree.map_structure(_as_numpy, part) for part in parts]
    return keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *parts)


def _is_array(leaf):
    return hasattr(leaf, "shape") and len(leaf.shape) > 0


def _as_numpy(leaf):
    if isinstance(leaf, np.ndarray):
        return leaf
    if keras.ops.is_tensor(leaf):
        return keras.ops.convert_to_numpy(leaf)
    return np.asarray(leaf)
