"""Data as numpy arrays: read and checked, never changed."""

import collections.abc
import dataclasses

import numpy as np

from kcomponents._check import fail

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

    def take(self, rows):
        """Return these samples only."""
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        target = None if self.target is None else self.target[rows]
        return Data(inputs, target, self.name)

    def some(self, generator):
        """Return a random sample small enough for quick checks, in order."""
        columns = sum(array[0].size for array in self.inputs.values())
        most = min(MOST_ROWS, max(100, MOST_VALUES // max(columns, 1)))
        return self if self.rows <= most else self.take(drawn(generator, self, most))

    def table(self, rows, columns):
        """Return rows and columns of all inputs, flattened side by side, as float64."""
        parts, start = [], 0
        for array in self.inputs.values():
            flat = array.reshape(len(array), -1)
            own = columns[(columns >= start) & (columns < start + flat.shape[1])]
            parts.append(flat[np.ix_(rows, own - start)].astype("float64"))
            start += flat.shape[1]
        return np.concatenate(parts, axis=1)


def drawn(generator, data, most):
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
