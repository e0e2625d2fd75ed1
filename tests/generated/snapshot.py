"""Everything a training could leave behind: values, attributes, files, generators."""

import functools
import io
import json
import random
import re
import sys
import types
import zipfile

import h5py
import keras
import numpy as np

from kcomponents import _keras

PLAIN = (bool, int, float, complex, str, bytes, type(None))
# Objects whose attributes are compared; all others are compared by their type.
OPENED = ("keras.", "kcomponents.", "tests.", "__main__")
# Made anew by each `fit`, or by the first one only. The graph of a model leads to the
# same layers again, and the values of variables are compared apart.
LEFT_OUT = {"train_function", "test_function", "stop_evaluating", "history"}
LEFT_OUT |= {
    "_jax_state",
    "_jax_state_synced",
    "_inbound_nodes",
    "_outbound_nodes",
    "_tracker",
    "tracker",
}


def values_of(model):
    """Return the variables of a model and its optimizer as (name, array) pairs."""
    groups = {"model": model.variables}
    if model.optimizer is not None:
        groups["optimizer"] = model.optimizer.variables
    return [
        (f"{group}: {variable.path}", _array_of(variable))
        for group, variables in groups.items()
        for variable in variables
    ]


def _array_of(variable):
    try:
        return np.array(keras.ops.convert_to_numpy(variable))
    except (TypeError, RuntimeError):
        # On JAX, after an exception within a step.
        return np.array("has lost its value")


def next_random_numbers():
    """Draw a number from each global generator, and return them by name."""
    seeds = _keras.global_seeds()
    found = {
        "python": random.random(),
        "numpy": float(np.random.random()),
        "seeds of Keras": None if seeds is None else np.array(seeds.numpy()).tolist(),
    }
    # Keras sets its seed with this backend only.
    if keras.backend.backend() == "torch":
        found["torch"] = float(sys.modules["torch"].rand(()))
    if keras.backend.backend() == "tensorflow":
        found["tensorflow"] = float(sys.modules["tensorflow"].random.uniform(()))
    return found


def attributes_of(*things):
    """Return a line for each attribute of objects and of all that they hold."""
    lines, seen = [], {}
    for number, thing in enumerate(things):
        _add(f"{number}", thing, lines, seen)
    return lines


def _add(path, thing, lines, seen):
    if isinstance(thing, PLAIN):
        lines.append(f"{path} = {thing!r}")
        return
    if id(thing) in seen and not isinstance(thing, (tuple, types.MethodType)):
        lines.append(f"{path} is {seen[id(thing)]}")
        return
    seen[id(thing)] = path
    # The object must live as long as its id is used.
    seen[path, "object"] = thing
    kind = type(thing)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if callable(thing) and hasattr(thing, "__qualname__"):
        wrapped = " of a wrapper" if hasattr(thing, "__wrapped__") else ""
        lines.append(f"{path}: {name} {thing.__qualname__}{wrapped}")
    elif isinstance(thing, functools.partial):
        lines.append(f"{path}: {name}")
        _add(f"{path}.func", thing.func, lines, seen)
    elif isinstance(thing, dict):
        lines.append(f"{path}: {name} of {len(thing)}")
        for key, value in thing.items():
            _add(f"{path}[{_word(key)}]", value, lines, seen)
    elif isinstance(thing, (list, tuple)):
        lines.append(f"{path}: {name} of {len(thing)}")
        for place, value in enumerate(thing):
            _add(f"{path}[{place}]", value, lines, seen)
        if not isinstance(thing, tuple):
            _add_attributes(path, thing, lines, seen)
    elif isinstance(thing, (set, frozenset)):
        lines.append(f"{path}: {name} of {len(thing)}")
    elif isinstance(thing, np.ndarray) or keras.ops.is_tensor(thing):
        lines.append(f"{path}: {name} {tuple(thing.shape)} {thing.dtype}")
    else:
        lines.append(f"{path}: {name}")
        if name.startswith(OPENED) and not isinstance(thing, keras.KerasTensor):
            _add_attributes(path, thing, lines, seen)


def _add_attributes(path, thing, lines, seen):
    for key, value in sorted(getattr(thing, "__dict__", {}).items()):
        if key not in LEFT_OUT:
            _add(f"{path}.{key}", value, lines, seen)


def _word(key):
    # Ids, and the counts with which TensorFlow names variables, differ each time.
    return re.sub(r"_\d+$", "", key) if isinstance(key, str) else type(key).__name__


def classes_of(*things):
    """Return the members of all classes of objects, by the name of the class."""
    kinds = {kind for thing in things for kind in type(thing).__mro__}
    kinds |= {keras.callbacks.CallbackList, keras.Variable}
    return {kind: dict(vars(kind)) for kind in kinds}


def files_of(model, folder):
    """Save a model and its weights; return the contents of the files by name."""
    found = {}
    path = f"{folder}/model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            content = archive.read(name)
            if name.endswith(".json"):
                data = json.loads(content)
                data.pop("date_saved", None)
                # A number for each object, from its address.
                text = json.dumps(data, sort_keys=True)
                found[name] = re.sub(r'"shared_object_id": \d+', "", text)
            else:
                found |= _arrays(name, io.BytesIO(content))
    path = f"{folder}/model.weights.h5"
    model.save_weights(path)
    return found | _arrays("weights", path)


def _arrays(name, file):
    found = {}
    with h5py.File(file) as opened:
        opened.visititems(
            lambda path, item: (
                found.update({f"{name}: {path}": np.array(item)})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found
