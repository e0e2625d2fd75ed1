"""The outcome of a training that was killed, compared with one that was not."""

import csv
import dataclasses
import io
import json
import pathlib
import pickle
import re
import zipfile

import h5py
import numpy as np

# Fields that differ by nature, by pattern of their names → the reason. All other fields
# are equal to the bit.
MAY_DIFFER = {
    r"files\.best\.keras\.config\..*shared_object_id": "Keras numbers objects by their "
    "addresses in memory.",
    r"files\..*\.npz(\.previous)?": "States contain wall-clock seconds and random "
    "labels. They must be readable, and what is resumed from them is compared.",
    r"files\.best\.npz\.previous \(added\)": "A repeated epoch writes the best state "
    "once more, which makes the same state the previous one.",
}


def files_of(folder: pathlib.Path) -> dict:
    """Return name → content of all files but the states, whose content is random."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, content = path.relative_to(folder).as_posix(), None
        if path.suffix == ".jsonl":
            content = lines_of(path)
        elif path.suffix == ".csv":
            content = list(csv.reader(path.read_text().splitlines()))
        elif path.suffix == ".h5":
            content = datasets(path)
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                weights = io.BytesIO(archive.read("model.weights.h5"))
                content = {"config": json.loads(archive.read("config.json"))}
            content["weights"] = datasets(weights)
        found[name] = content
    return found


def lines_of(path):
    """Return the lines of a record by kind.

    A record that is resumed is written anew, readings before logs, so only the order
    within each kind is the same.
    """
    *lines, rest = path.read_text().split("\n")
    found = {"rest": rest}
    for line in lines:
        kind = next(iter(json.loads(line)))
        found.setdefault(kind, []).append(line)
    return found


def unequal(one, other):
    """Return the names of the parts that differ and must not.

    Args:
        one: What was observed of a training, as dicts, lists, arrays, plain values.
        other: What was observed of another one.
    """
    names = differences(one, other)
    return [n for n in names if not any(re.fullmatch(p, n) for p in MAY_DIFFER)]


def datasets(file):
    """Return name → array of an HDF5 file."""
    found = {}
    with h5py.File(file) as opened:

        def visit(name, value):
            if isinstance(value, h5py.Dataset):
                found[name] = value[()]

        opened.visititems(visit)
    return found


def differences(one, other, name=""):
    """Yield the name of each part in which two values are not equal to the bit."""
    if dataclasses.is_dataclass(one) and type(one) is type(other):
        one, other = dataclasses.asdict(one), dataclasses.asdict(other)
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}, key=str):
            inner = f"{name}.{key}" if name else str(key)
            if key in one and key in other:
                yield from differences(one[key], other[key], inner)
            else:
                yield f"{inner} ({'missing' if key in other else 'added'})"
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{name}[{index}]")
    elif not _same(one, other):
        yield name


def _same(one, other):
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        same_kind = (one.dtype, one.shape) == (other.dtype, other.shape)
        return same_kind and one.tobytes() == other.tobytes()
    if isinstance(one, float | np.floating) and isinstance(other, float | np.floating):
        # Text, in which states keep single numbers, has no sign of NaN.
        one, other = np.float64(one), np.float64(other)
        both_nan = bool(np.isnan(one) and np.isnan(other))
        return both_nan or one.tobytes() == other.tobytes()
    try:
        return type(one) is type(other) and bool(one == other)
    except ValueError:
        return pickle.dumps(one) == pickle.dumps(other)
