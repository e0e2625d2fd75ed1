"""The data as NumPy arrays: reading, checks, and the kind of the target."""

import collections.abc
import dataclasses

import numpy as np

from kcomponents._checks import fail

MOST_VALUES = 2 * 10**7
MOST_ROWS = 20_000


@dataclasses.dataclass(frozen=True)
class Data:
    """Inputs by name and a target, all with the same number of samples."""

    inputs: dict[str, np.ndarray]
    target: np.ndarray | None = None
    name: str = ""

    @property
    def rows(self):
        """The number of samples."""
        return len(next(iter(self.inputs.values())))

    @property
    def arrays(self):
        """Inputs and target by name."""
        target = {} if self.target is None else {f"{self.name}y": self.target}
        return self.inputs | target

    def rows_at(self, rows):
        """Return these samples only."""
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        target = None if self.target is None else self.target[rows]
        return Data(inputs, target, self.name)

    def sample(self, generator):
        """Return a random sample small enough for quick checks, in order."""
        columns = sum(array[0].size for array in self.inputs.values())
        most = min(MOST_ROWS, max(100, MOST_VALUES // max(columns, 1)))
        if self.rows <= most:
            return self
        return self.rows_at(random_rows(generator, self, most))

    def table(self, rows, columns):
        """Return rows and columns of all inputs, flattened side by side, as float64."""
        parts, start = [], 0
        for array in self.inputs.values():
            flat = array.reshape(len(array), -1)
            own = columns[(columns >= start) & (columns < start + flat.shape[1])]
            parts.append(flat[np.ix_(rows, own - start)].astype("float64"))
            start += flat.shape[1]
        return np.concatenate(parts, axis=1)


def random_rows(generator, data, most):
    """Return sorted random row numbers, at most `most`."""
    return np.sort(generator.permutation(data.rows)[:most])


def columns_of(array):
    """Return an input as a float64 matrix; its last axis holds the columns."""
    width = 1 if array.ndim == 1 else array.shape[-1]
    return array.reshape(-1, width).astype("float64")


def read_data(x, y=None, name=""):
    """Return inputs and target as `Data`, or raise `ValueError`."""
    label = f"{name}x"
    if isinstance(x, collections.abc.Mapping):
        parts = {f"{label}[{key!r}]": part for key, part in x.items()}
    elif isinstance(x, list | tuple) and x and all(map(_has_rows, x)):
        parts = {f"{label}[{i}]": part for i, part in enumerate(x)}
    else:
        parts = {label: x}
    if not parts:
        fail(f"`{label}` must hold at least one array.", x=x)
    inputs = {name: _array(name, part) for name, part in parts.items()}
    target = None if y is None else _array(f"{name}y", y)
    data = Data(inputs, target, name)
    rows = {name: len(array) for name, array in data.arrays.items()}
    if len(set(rows.values())) > 1:
        fail("Inputs and target must have the same number of samples.", rows=rows)
    return data


def _has_rows(part):
    """Return whether this is an array with an axis of samples, not a plain number."""
    return len(getattr(part, "shape", ())) > 0


def _array(name, value):
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        rule = f"`{name}` must be something that `numpy.asarray` accepts."
        fail(rule, type=type(value).__name__, error=str(error))
    if array.dtype.kind in "OSUT":
        fail(_how_to_encode(name), dtype=str(array.dtype))
    if array.dtype.kind == "V":
        array = _short_floats(name, array)
    if array.dtype.kind not in "biuf":
        fail(f"`{name}` must hold real numbers.", dtype=str(array.dtype))
    if array.ndim == 0 or array.size == 0:
        fail(
            f"`{name}` must have at least one sample with at least one value.",
            shape=array.shape,
        )
    return array


def _how_to_encode(name):
    if name.endswith("y"):
        return (
            f"`{name}` must hold numbers; encode labels as 0, 1, 2, ... with "
            "`names, y = np.unique(y, return_inverse=True)`."
        )
    return (
        f"`{name}` must hold numbers; encode strings with `keras.layers.StringLookup`, "
        'or convert objects to numbers with `x.astype("float32")`.'
    )


def _short_floats(name, array):
    """Return numbers of a dtype unknown to numpy, such as bfloat16, as float32."""
    try:
        return array.astype("float32")
    except (TypeError, ValueError):
        return fail(f"`{name}` must hold real numbers.", dtype=str(array.dtype))


# Training and validation data, read and checked for the same shapes.


def read_pair(x, y, validation_data):
    """Return training data and validation data, which may be `None`."""
    training = read_data(x, y)
    if validation_data is None:
        return training, None
    if not isinstance(validation_data, list | tuple) or len(validation_data) != 2:
        kind = type(validation_data).__name__
        fail("`validation_data` must be a pair `(x, y)`.", type=kind)
    if (validation_data[1] is None) != (y is None):
        fail(
            "Pass `y` for both training and validation data, or for neither.",
            y=type(y).__name__,
        )
    held_x, held_y = validation_data
    validation = read_data(held_x, held_y, name="validation ")
    forms = [_form(data) for data in (training, validation)]
    if forms[0] != forms[1]:
        rule = "Training and validation data must have the same shapes per sample."
        fail(rule, training=forms[0], validation=forms[1])
    return training, validation


def _form(data):
    """Return the shape per sample of each input, and the size of the target."""
    form = {
        name.removeprefix(data.name): array.shape[1:]
        for name, array in data.inputs.items()
    }
    return form if data.target is None else {**form, "y": int(data.target[0].size)}


# Kinds of targets: labels, one-hot, several labels per sample, or numbers.

# More different integers than this may be rounded quantities.
FEW = 20


def kind_of(y):
    """Return the kind of a target.

    `"labels"`, one class per sample; `"one_hot"`, rows that sum to 1; `"multilabel"`, 0
    or 1 in each of several columns; `"positions"`, several integers per sample, such as
    the words of a sentence; `"numbers"`, regression targets.
    """
    flat = y.reshape(len(y), -1)
    if flat.shape[1] == 1:
        return "labels" if _are_labels(flat[:, 0]) else "numbers"
    binary = bool(np.isin(flat, (0, 1)).all())
    sums = flat.sum(axis=1, dtype="float64")
    one = np.abs(sums - 1) < 1e-3
    if y.ndim == 2 and flat.min() >= 0 and one.mean() > 0.9:
        return "one_hot"
    if binary and y.ndim == 2:
        return "multilabel"
    return "numbers" if y.dtype.kind == "f" else "positions"


def _are_labels(y):
    """Return whether these are labels: few integers, or many with few gaps."""
    values = np.unique(y)
    count, low, high = len(values), float(values[0]), float(values[-1])
    if not (values == np.round(values)).all():
        return False
    if count <= FEW and low == 0 and high == count - 1:
        return True
    if y.dtype.kind == "f":
        return count <= 2 and -2 < low and high <= 2
    dense = low >= 0 and high < 2 * count and len(y) >= 5 * count
    return dense or (count <= FEW and len(y) >= 2 * count)


def classes_of(y, kind):
    """Return the class of each sample as an integer, `None` for other kinds."""
    if kind == "one_hot":
        return y.argmax(axis=1)
    if kind == "labels":
        return y.reshape(-1).astype("int64")
    return None


def outputs_of(y, kind):
    """Return how many outputs a model needs."""
    if kind == "labels":
        return len(np.unique(y))
    return int(y[0].size)
