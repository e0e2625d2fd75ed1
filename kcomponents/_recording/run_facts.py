"""Facts about a run before its first step: its settings, and where weights start."""

import platform

import keras
import numpy as np

from kcomponents import _backends, _keras, _version
from kcomponents.probes.layer_walk import named_layers

# About how many elements of a kernel are looked at, in whole rows.
ELEMENTS = 2**18


def fit_facts(arguments):
    """Return the arguments of `fit`, for `structure["fit"]`."""
    epochs = arguments.get("epoch_iterator")
    weights = arguments.get("class_weight")
    return {
        "epochs": arguments.get("epochs"),
        "batch_size": batch_size_of(arguments),
        "steps": getattr(epochs, "num_batches", None),
        "validation": arguments.get("validation_data") is not None,
        "class_weight": weights and {str(k): float(v) for k, v in weights.items()},
        "sample_weight": arguments.get("sample_weight") is not None,
        "shuffle": bool(arguments.get("shuffle")),
        "repeats_order": _repeats_order(arguments),
    }


def _repeats_order(arguments):
    """Return whether Keras shuffles the samples in the same way in each epoch."""
    arrays = hasattr(arguments.get("x"), "shape")
    seeded = _keras.global_seed() is not None
    return bool(
        arrays and arguments.get("shuffle") and seeded and _backends.repeats_order
    )


def batch_size_of(arguments):
    if size := arguments.get("batch_size"):
        return int(size)
    arrays = hasattr(arguments.get("x"), "shape")
    return 32 if arrays else None


def initial_facts(model):
    """Return path → facts about each kernel before training."""
    found = {}
    for variable in model.trainable_variables:
        if len(variable.shape) < 2 or not np.prod(variable.shape):
            continue
        shape, units = variable.shape, variable.shape[-1]
        fan_in = int(np.prod(shape[:-1]))
        # In numpy, as JAX would compile each operation for each shape.
        rows = _backends.on_host(variable).reshape(fan_in, units)
        some = rows[:: max(1, fan_in * units // ELEMENTS)].astype("float32")
        found[variable.path] = {
            "shape": list(shape),
            "mean": float(some.mean()),
            "std": float(some.std()),
            "fan_in": fan_in,
            # Whether all units of the layer start with the same weights.
            "units_equal": bool(units > 1 and (some == some[:, :1]).all()),
        }
    return found


def untrained_frozen(model):
    """Return the paths of layers that are frozen in the state in which they started.

    Offsets and moving averages of a layer that was ever trained are not all zero, and
    those of the forget gate of an LSTM, which start at 1, not 0 and 1 alone.
    """
    found = []
    for path, layer in named_layers(model).items():
        kernels = [w for w in layer.weights if len(w.shape) > 1]
        offsets = [
            w
            for w in layer.weights
            if w.path.rsplit("/", 1)[-1] in ("bias", "beta", "moving_mean")
        ]
        below = named_layers(layer).values()
        inner = any(part.weights for part in below)
        if layer.trainable or not kernels or not offsets or inner:
            continue
        values = [_backends.on_host(w) for w in offsets]
        if all(np.isin(array.astype("float32"), (0, 1)).all() for array in values):
            found.append(path)
    return found


def narrowest_passage(structure):
    """Return the size of the narrowest layer of a chain of layers, or None."""
    if structure["model"]["class"] not in ("Sequential", "Functional"):
        return None
    sizes = []
    for layer in structure["layers"]:
        shape = layer.get("output_shape")
        if not shape or isinstance(shape, dict) or isinstance(shape[0], list):
            continue
        if layer["parameters"] and None not in shape[1:]:
            sizes.append(int(np.prod(shape[1:])))
    return min(sizes, default=None)


def versions():
    """Return the versions of the package, Keras and Python."""
    return {
        "kcomponents": _version.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }
