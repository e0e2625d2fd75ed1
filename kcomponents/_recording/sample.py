"""A sample of the training data, taken without affecting the run; facts about it."""

from typing import Any

import keras
import numpy as np

from kcomponents._scoring.simple_models import reachable

# Samples that facts are computed from, and samples that the model is run on.
ROWS, FIRST_ROWS = 5000, 512
ELEMENTS = 4_000_000
MOST_VALUES = 1000
MOST_COLUMNS = 1000


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

    def first_samples(self, rows=FIRST_ROWS):
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


def validation_of(fit_arguments):
    """Return samples of the validation data in the arguments of `fit`, or None."""
    data = fit_arguments.get("validation_data")
    if not isinstance(data, list | tuple) or len(data) < 2:
        return None
    found = sample_of(data[0], data[1])
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


# Facts about a sample


def data_facts(sample, outputs, validation):
    """Return facts about the data, for `structure["data"]`."""
    inputs = [input_facts(*item) for item in named_inputs(sample.x)]
    of_outputs = [_of_output(sample, output) for output in outputs]
    losses = [facts.get("baseline_loss") for facts in of_outputs]
    known = len(losses) == 1 and losses[0] is not None
    return {
        "rows": sample.rows,
        "sampled": sample.size,
        "sorted": sample.sorted,
        "inputs": inputs,
        "outputs": of_outputs,
        "baseline_loss": losses[0] if known else None,
        "validation": None
        if validation is None
        else _of_validation(sample, validation),
    }


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
        facts["reachable"] = reachable(arrays, output.targets, output.task)
        if output.task != "regression":
            facts["contradictions"] = contradictions(arrays, output.targets)
    return facts


def _of_validation(sample, validation):
    """Return facts about the validation data, compared with the training data."""
    [(_, train), *_], [(_, other), *_] = (
        named_inputs(sample.x),
        named_inputs(validation.x),
    )
    found = {
        "rows": validation.rows,
        "inputs": [input_facts(*item) for item in named_inputs(validation.x)],
        "outputs": [target_facts(leaf) for leaf in keras.tree.flatten(validation.y)],
    }
    if train.shape[1:] == other.shape[1:]:
        found["outside"] = outside(train, other)
        found["in_training"] = same_rows(train, other.astype(train.dtype))
    targets = [keras.tree.flatten(part.y) for part in (sample, validation)]
    if all(len(leaves) == 1 for leaves in targets):
        [[train], [other]] = targets
        if np.shape(train)[1:] == np.shape(other)[1:]:
            found["targets_outside"] = outside(train, other)
    return found


# Facts about single arrays


def input_facts(name, array):
    """Return facts of one input as plain values, from a sample of it."""
    values, found = _numbers(array)
    found = {"name": name, **found}
    if values is None:
        return found
    if values.ndim > 1:
        columns = values.reshape(-1, values.shape[-1])[:, :MOST_COLUMNS]
        found["column_mean"] = columns.mean(0).tolist()
        found["column_std"] = columns.std(0).tolist()
    # Distinct samples among these.
    found["distinct"] = len(np.unique(values.reshape(len(values), -1), axis=0))
    return found


def target_facts(array):
    """Return facts of targets as plain values, from a sample of them."""
    values, found = _numbers(array)
    if values is None:
        return found
    width = values.shape[-1] if values.ndim > 1 else 1
    if found["integer"]:
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) <= MOST_VALUES:
            found["values"], found["counts"] = distinct.tolist(), counts.tolist()
    if width > 1:
        sums = values.sum(-1)
        found["row_sum_min"] = float(sums.min())
        found["row_sum_max"] = float(sums.max())
        flat = values.reshape(-1, width)
        found["column_mean"] = flat.mean(0)[:MOST_COLUMNS].tolist()
        found["column_std"] = flat.std(0)[:MOST_COLUMNS].tolist()
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
    rows = np.concatenate([table.astype("float64") for table in tables], 1)
    groups = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    flat = np.asarray(targets, "float64").reshape(len(rows), -1)
    kinds = np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1)
    pairs = np.unique(np.stack([groups, kinds]), axis=1)[0]
    of_group = np.bincount(pairs, minlength=groups.max() + 1)
    return float(np.mean(of_group[groups] > 1))


def _numbers(array):
    """Return an array as float64, NaN and infinity as 0, and facts about it."""
    array = np.asarray(array)
    found: dict[str, Any] = {
        "dtype": str(array.dtype),
        "shape": list(array.shape[1:]),
        "rows": len(array),
    }
    if array.dtype.kind not in "biuf" or not array.size:
        return None, found
    values = array.astype("float64")
    finite = np.isfinite(values)
    values = np.where(finite, values, 0.0)
    found["nonfinite"] = int((~finite).sum())
    found["integer"] = bool(np.all(values == np.floor(values)))
    for name in ("min", "max", "mean", "std"):
        found[name] = float(getattr(values, name)())
    return values, found


def outside(train, other):
    """Return the largest share, over columns, of values beyond the range of `train`."""
    train, other = np.asarray(train), np.asarray(other)
    if train.dtype.kind not in "iuf" or train.shape[1:] != other.shape[1:]:
        return 0.0
    if train[0].size > MOST_COLUMNS:
        return 0.0
    a = train.reshape(len(train), -1).astype("float64")
    b = other.reshape(len(other), -1).astype("float64")
    beyond = (b < a.min(0)) | (b > a.max(0))
    return float(beyond.mean(0).max())


def same_rows(train, other):
    """Return the share of samples of `other` that `train` holds too, byte for byte."""
    known = {np.ascontiguousarray(row).tobytes() for row in np.asarray(train)}
    rows = [np.ascontiguousarray(row).tobytes() for row in np.asarray(other)]
    return sum(row in known for row in rows) / max(len(rows), 1)
