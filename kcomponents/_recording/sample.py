"""A sample of the training data, taken without affecting the run; facts about it."""

import math
from typing import Any

import keras
import numpy as np

from kcomponents._scoring.features import CHUNK, constants_of_classes, digests
from kcomponents._scoring.scores import positions

# Samples that facts are computed from, and samples that the model is run on.
ROWS, FIRST_ROWS = 5000, 512
ELEMENTS = 4_000_000
# The most batches whose targets are compared.
BATCHES = 40
MOST_VALUES = 1000
MOST_COLUMNS = 1000


class Sample:
    """Some inputs and targets, as numpy arrays.

    `x` is nested as the model takes it, `y` as the loss takes it, or `y` is None.
    `weights` are those of the loss, one for each sample or nested as `y`, or None.
    `of_batches` is how much of what targets vary lies between batches.
    `streamed` is whether these are only some of all samples, and `whole` whether
    the model takes all samples at once, in their order.
    """

    def __init__(self, x, y, rows=None, weights=None):
        self.x, self.y, self.weights = x, y, weights
        self.of_batches = None
        self.streamed = self.whole = False
        leaves = keras.tree.flatten(x)
        self.size = len(leaves[0]) if leaves else 0
        self.rows = self.size if rows is None else rows

    @property
    def leaves(self):
        """The inputs as a list, in the order in which the model takes them."""
        return keras.tree.flatten(self.x)

    def first_samples(self, rows=FIRST_ROWS):
        """Return the first samples, few enough to run the model on quickly."""
        wide = sum(leaf[0].size for leaf in keras.tree.flatten(self.x))
        rows = min(rows, max(16, ELEMENTS // 8 // max(wide, 1)))

        def cut(leaf):
            return None if leaf is None else leaf[:rows]

        x, y, weights = (
            None if part is None else keras.tree.map_structure(cut, part)
            for part in (self.x, self.y, self.weights)
        )
        return Sample(x, y, self.rows, weights)


def sample_of(x, y, weights=None, class_weight=None, batch_size=None, *, shuffled=True):
    """Return random samples of arrays, or None if they are not arrays.

    Args:
        x: Inputs as `fit` takes them.
        y: Targets as `fit` takes them, or None.
        weights: Weights of the samples as `fit` takes them. Defaults to `None`.
        class_weight: Dict of class to weight. Defaults to `None`.
        batch_size: Integer, the samples in a batch. Defaults to `None`.
        shuffled: Boolean, whether `fit` shuffles. Defaults to `True`.
    """
    leaves = keras.tree.flatten(x)
    if not leaves or not all(_is_array(leaf) for leaf in leaves):
        return None
    size = len(leaves[0])
    wide = sum(int(np.prod(leaf.shape[1:])) for leaf in leaves)
    wanted = min(size, ROWS, max(64, ELEMENTS // max(wide, 1)))
    # At random, because sorted data may start with a single class.
    rows = np.random.default_rng(0).permutation(size)[:wanted]
    # A network of a graph takes all its nodes at once, in their order.
    whole = bool(batch_size) and batch_size >= size and not shuffled
    if whole:
        rows = np.arange(size)

    def cut(leaf):
        return as_numpy(leaf)[rows]

    found = Sample(keras.tree.map_structure(cut, x), None, size)
    found.whole = whole
    if y is not None:
        found.y = keras.tree.map_structure(cut, y)
        first = as_numpy(keras.tree.flatten(y)[0])
        if batch_size and not shuffled:
            found.of_batches = share_between(_batches_of(first, batch_size))
    arrays = [leaf for leaf in keras.tree.flatten(weights) if leaf is not None]
    if arrays and all(_is_array(leaf) for leaf in arrays):
        found.weights = keras.tree.map_structure(
            lambda leaf: None if leaf is None else cut(leaf), weights
        )
    elif class_weight and found.y is not None:
        found.weights = _weights_of_classes(found.y, class_weight)
    return found


def _weights_of_classes(y, class_weight):
    """Return the weight of the class of each sample, as `fit` computes it."""
    leaves = keras.tree.flatten(y)
    if len(leaves) != 1:
        return None
    [y] = leaves
    wide = y.ndim > 1 and y.shape[-1] > 1
    classes = y.argmax(-1) if wide else y.reshape(y.shape[:1] + y.shape[1:-1])
    classes = np.round(classes).astype(int)
    return np.vectorize(lambda k: float(class_weight.get(k, 1.0)), otypes="d")(classes)


def _batches_of(targets, size):
    """Return the targets of some batches, evenly spaced over all."""
    starts = range(0, len(targets) - size + 1, size)
    starts = starts[:: max(1, len(starts) // BATCHES)]
    return [targets[start : start + size] for start in starts]


def share_between(batches):
    """Return how much of what targets vary lies between batches: 0 chance, 1 all.

    The targets of one batch have one value if data are sorted and not shuffled. None
    with fewer than four batches, or if no target varies.
    """
    rows = [np.asarray(batch, "float64").reshape(len(batch), -1) for batch in batches]
    if len(rows) < 4 or min(map(len, rows)) < 2 or rows[0].shape[1] > MOST_COLUMNS:
        return None
    if len({row.shape[1] for row in rows}) > 1:
        # Such as text that is padded to the longest of a batch.
        return None
    joined = np.concatenate(rows)
    if joined.shape[1] == 1 and (joined == np.floor(joined)).all():
        values = np.unique(joined)
        if 2 < len(values) <= MOST_VALUES:
            rows = [row == values for row in rows]
            joined = np.concatenate(rows)
    total = joined.var(0).mean()
    if not total:
        return None
    within = np.mean([row.var(0, ddof=1).mean() for row in rows])
    return float(np.clip(1 - within / total, 0.0, 1.0))


def sample_of_batches(batches, *, as_inputs=False):
    """Return all samples of the given batches, as `fit` draws them.

    Args:
        batches: List of batches.
        as_inputs: Boolean, whether all of a batch is inputs; None then if a batch has
            no more than one part, or parts of different lengths. Defaults to `False`.
    """
    if as_inputs:
        rows = [{len(leaf) for leaf in keras.tree.flatten(batch)} for batch in batches]
        several = isinstance(batches[0], tuple) and len(batches[0]) > 1
        if not several or any(len(lengths) != 1 for lengths in rows):
            return None
        found = Sample(_joined(batches), None)
        found.streamed = True
        return found
    unpacked = [keras.utils.unpack_x_y_sample_weight(batch) for batch in batches]
    xs, ys, weights = zip(*unpacked, strict=True)

    def joined(parts):
        return None if parts[0] is None else _joined(parts)

    try:
        found = Sample(_joined(xs), joined(ys), weights=joined(weights))
    except ValueError:
        # Batches of different lengths, such as padded text, cannot be joined: use one.
        found = Sample(_joined(xs[:1]), joined(ys[:1]), weights=joined(weights[:1]))
    if ys[0] is not None:
        firsts = [as_numpy(keras.tree.flatten(y)[0]) for y in ys]
        found.of_batches = share_between(firsts)
    found.streamed = True
    return found


def validation_of(fit_arguments):
    """Return samples of the validation data in the arguments of `fit`, or None."""
    data = fit_arguments.get("validation_data")
    if data is None or isinstance(data, keras.utils.PyDataset):
        return None
    return sample_of(*keras.utils.unpack_x_y_sample_weight(data))


def _joined(parts):
    parts = [keras.tree.map_structure(as_numpy, part) for part in parts]
    return keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *parts)


def _is_array(leaf):
    return hasattr(leaf, "shape") and len(leaf.shape) > 0


def as_numpy(leaf):
    """Return an array or tensor as an array of numpy."""
    if isinstance(leaf, np.ndarray):
        return leaf
    if keras.ops.is_tensor(leaf):
        return keras.ops.convert_to_numpy(leaf)
    return np.asarray(leaf)


# Facts about a sample


def facts_of_inputs(sample, validation):
    """Return the facts of `structure["data"]` that do not depend on the model."""
    return {
        "rows": sample.rows,
        "sampled": sample.size,
        "streamed": sample.streamed,
        "of_batches": sample.of_batches,
        "inputs": [input_facts(*item) for item in named_inputs(sample.x)],
        "validation": None
        if validation is None
        else _of_validation(sample, validation),
    }


def facts_of_outputs(sample, outputs):
    """Return the facts of `structure["data"]` on the targets of each output."""
    of_outputs = [_of_output(sample, output) for output in outputs]
    losses = [facts.get("baseline_loss") for facts in of_outputs]
    known = len(losses) == 1 and losses[0] is not None
    return {"outputs": of_outputs, "baseline_loss": losses[0] if known else None}


def named_inputs(x):
    """Return the name and the array of each input."""
    if isinstance(x, dict):
        return [(str(name), array) for name, array in x.items()]
    leaves = keras.tree.flatten(x)
    if len(leaves) == 1:
        return [("input", leaves[0])]
    return [(f"input_{n}", leaf) for n, leaf in enumerate(leaves, 1)]


def _of_output(sample, output):
    facts = dict(output.facts)
    if output.task != "unknown" and output.targets is not None:
        arrays = [array for _, array in named_inputs(sample.x)]
        if output.task in ("sparse", "categorical", "binary"):
            found = [telling_columns(array, output.targets) for array in arrays]
            facts["telling_columns"] = found if any(found) else []
        if output.task != "regression":
            facts["contradictions"] = contradictions(arrays, output.targets)
        elif any(_equal(array, output.targets) for array in arrays):
            facts["copies_input"] = True
        if output.given_weights is not None and output.task in ("sparse", "binary"):
            facts["class_weights"] = _mean_weights(output)
        if facts.get("masked") is None:
            facts["padding"] = padding_of(arrays, output.targets)
    return facts


def telling_columns(array, targets):
    """Return the columns of a table whose value is another constant in each class."""
    x, y = np.asarray(array), np.asarray(targets)
    if x.ndim != 2 or x.shape[1] < 2 or x.dtype.kind not in "iuf" or len(x) != len(y):
        return []
    one_hot = y.ndim == 2 and set(np.unique(y)) <= {0, 1} and (y.sum(-1) == 1).all()
    wide = one_hot and y.shape[1] > 1
    if not wide and math.prod(y.shape[1:]) > 1:
        # Each position has a class.
        return []
    classes = y.argmax(-1) if wide else y.reshape(-1)
    counts = np.unique(classes, return_counts=True)[1]
    if not 2 <= len(counts) <= 50 or counts.min() < 5:
        return []
    constant, firsts = constants_of_classes(x, classes)
    distinct = (np.diff(np.sort(firsts, axis=0), axis=0) > 0).all(0)
    return np.flatnonzero(constant & distinct).tolist()


def _equal(array, targets):
    """Return whether targets are inputs, as of an autoencoder."""
    if np.shape(array) != np.shape(targets):
        return False
    return bool(np.array_equal(np.asarray(array), np.asarray(targets)))


def _mean_weights(output):
    """Return the weight of each class as a list, None if it is not that of a class."""
    y = np.asarray(output.targets)
    weights = positions(output.given_weights, y.shape)
    of_class = [weights[y == value] for value in np.unique(y)[:MOST_VALUES]]
    if any(np.ptp(found) > 1e-6 * np.abs(found).max() for found in of_class):
        return None
    return [float(found[0]) for found in of_class]


def padding_of(inputs, targets):
    """Return the share of positions that look like padding: input 0, one target.

    None if targets have no positions, or nothing looks like padding.
    """
    y = np.asarray(targets)
    y = y[..., 0] if y.ndim == 3 and y.shape[-1] == 1 else y
    if y.ndim != 2 or y.dtype.kind not in "iu" or y.shape[1] < 2:
        return None
    for array in map(np.asarray, inputs):
        if array.shape[:2] != y.shape or array.dtype.kind not in "iuf":
            continue
        zero = (array == 0).reshape(*y.shape, -1).all(-1)
        # Padding is at the end, or at the start, of each sample.
        ends = zero[:, ::-1] if zero[:, -1].sum() >= zero[:, 0].sum() else zero
        padding = np.logical_and.accumulate(ends, 1)
        padding = padding[:, ::-1] if ends is not zero else padding
        if padding.any() and len(np.unique(y[padding])) == 1:
            return float(padding.mean())
    return None


def _of_validation(sample, validation):
    """Return facts about the validation data, compared with the training data."""
    [(name, train), *_] = named_inputs(sample.x)
    others = dict(named_inputs(validation.x))
    other = others.get(name, next(iter(others.values())))
    found = {
        "rows": validation.rows,
        "inputs": [input_facts(*item) for item in named_inputs(validation.x)],
        "outputs": []
        if validation.y is None
        else [target_facts(leaf) for leaf in keras.tree.flatten(validation.y)],
    }
    if train.shape[1:] == other.shape[1:]:
        found["outside"] = outside(train, other)
    found["in_training"] = _in_training(_counted(sample), _counted(validation))
    targets = [
        [] if part.y is None else keras.tree.flatten(part.y)
        for part in (sample, validation)
    ]
    if all(len(leaves) == 1 for leaves in targets):
        [[train], [other]] = targets
        if np.shape(train)[1:] == np.shape(other)[1:]:
            found["targets_outside"] = outside(train, other)
    return found


def _counted(sample):
    """Return the inputs of the samples that count, by their weights."""
    leaves = [leaf for leaf in keras.tree.flatten(sample.weights) if leaf is not None]
    if len(leaves) != 1:
        return sample.x
    kept = np.asarray(leaves[0]).reshape(sample.size, -1).any(1)
    return keras.tree.map_structure(lambda leaf: np.asarray(leaf)[kept], sample.x)


def _in_training(train, other):
    """Return the share of validation samples whose inputs all occur in training."""
    # In the order of their names.
    leaves = zip(keras.tree.flatten(train), keras.tree.flatten(other), strict=False)
    tables = [[], []]
    for a, b in leaves:
        if a.shape[1:] != b.shape[1:]:
            return 0.0
        floats = a.dtype.kind == b.dtype.kind == "f"
        # A cast of other types could make unequal values equal.
        dtype = a.dtype if floats else np.promote_types(a.dtype, b.dtype)
        tables[0].append(np.asarray(a).astype(dtype).reshape(len(a), -1))
        tables[1].append(np.asarray(b).astype(dtype).reshape(len(b), -1))
    if len({a.dtype.kind in "biuf" for a in tables[0]}) > 1:
        return 0.0
    joined = [np.concatenate(parts, 1) for parts in tables]
    return same_rows(*joined)


# Facts about single arrays


def input_facts(name, array):
    """Return facts of one input as plain values, from a sample of it."""
    values, found, columns = _numbers(array)
    found = {"name": name, **found}
    if values is None:
        return found
    if values.ndim > 1:
        found |= columns
    # Distinct samples among these.
    found["distinct"] = len(np.unique(digests([values])))
    return found


def target_facts(array):
    """Return facts of targets as plain values, from a sample of them."""
    values, found, columns = _numbers(array)
    if values is None:
        return found
    width = values.shape[-1] if values.ndim > 1 else 1
    if found["integer"]:
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) <= MOST_VALUES:
            found["values"], found["counts"] = distinct.tolist(), counts.tolist()
    if width > 1:
        sums = values.sum(-1, dtype="float64")
        found["row_sum_min"] = float(sums.min())
        found["row_sum_max"] = float(sums.max())
        found |= columns
    found["one_hot"] = bool(
        width > 1
        and found["integer"]
        and found["min"] == 0
        and found["max"] == 1
        and found["row_sum_min"] == found["row_sum_max"] == 1
    )
    return found


def contradictions(inputs, targets):
    """Return the share of samples whose inputs also occur with another target."""
    tables = [np.asarray(array).reshape(len(array), -1) for array in inputs]
    if any(table.dtype.kind not in "biuf" for table in tables):
        return 0.0
    groups = np.unique(digests(tables), return_inverse=True)[1]
    kinds = np.unique(digests([np.asarray(targets)]), return_inverse=True)[1]
    of_pairs = groups * (kinds.max() + 1) + kinds
    groups_of_pairs = np.unique(of_pairs) // (kinds.max() + 1)
    of_group = np.bincount(groups_of_pairs, minlength=groups.max() + 1)
    return float(np.mean(of_group[groups] > 1))


def _numbers(array):
    """Return an array with NaN and infinity as 0, and facts about it.

    Mean and standard deviation of each column, along the last axis, are returned apart.
    """
    array = np.asarray(array)
    found: dict[str, Any] = {
        "dtype": str(array.dtype),
        "shape": list(array.shape[1:]),
        "rows": len(array),
    }
    if array.dtype.kind not in "biuf" or not array.size:
        return None, found, {}
    values, nonfinite, integer = array, 0, True
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        nonfinite = finite.size - int(np.count_nonzero(finite))
        if nonfinite:
            values = np.where(finite, array, array.dtype.type(0))
        # One sample shows it in most cases.
        parts = values[:1], values
        integer = all(bool(np.all(part == np.floor(part))) for part in parts)
    found["nonfinite"], found["integer"] = nonfinite, integer
    means, variances = _moments(values)
    [found["mean"]], [found["std"]] = _joined_moments(means, variances)
    found["min"], found["max"] = float(values.min()), float(values.max())
    width = values.shape[-1] if values.ndim > 1 else 1
    means, variances = (part.reshape(-1, width) for part in (means, variances))
    mean, std = _joined_moments(means[:, :MOST_COLUMNS], variances[:, :MOST_COLUMNS])
    return values, found, {"column_mean": mean, "column_std": std}


def _moments(values):
    """Return mean and variance over the samples at each position.

    Of a few samples at a time, as numpy is slow where its intermediate results leave
    the cache, and over many rows of a few columns, such as the colors of pixels.
    """
    rows = values.reshape(len(values), -1)
    size = max(1, CHUNK // rows.shape[1])
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    means = sum(part.sum(0, dtype="float64") for part in parts) / len(rows)
    squares = np.zeros_like(means)
    for part in parts:
        difference = part - means
        squares += np.einsum("ij,ij->j", difference, difference)
    return means, squares / len(rows)


def _joined_moments(means, variances):
    """Return mean and standard deviation over all positions, of each column."""
    mean = means.mean(0)
    std = np.sqrt((variances + np.square(means - mean)).mean(0))
    return mean.reshape(-1).tolist(), std.reshape(-1).tolist()


def outside(train, other):
    """Return the largest share, over columns, of values beyond the range of `train`."""
    train, other = np.asarray(train), np.asarray(other)
    if train.dtype.kind not in "iuf" or train.shape[1:] != other.shape[1:]:
        return 0.0
    if train[0].size > MOST_COLUMNS:
        return 0.0
    a, b = train.reshape(len(train), -1), other.reshape(len(other), -1)
    beyond = (b < a.min(0)) | (b > a.max(0))
    return float(beyond.mean(0).max())


def same_rows(train, other):
    """Return the share of samples of `other` that `train` holds too, byte for byte."""
    known = {np.ascontiguousarray(row).tobytes() for row in np.asarray(train)}
    rows = [np.ascontiguousarray(row).tobytes() for row in np.asarray(other)]
    return sum(row in known for row in rows) / max(len(rows), 1)
