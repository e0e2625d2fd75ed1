"""Facts about a run before the first step: data, settings, initial weights."""

import platform

import keras
import numpy as np

import kcomponents._version as version
from kcomponents._recording.array_facts import (
    contradictions,
    input_facts,
    outside,
    same_rows,
    target_facts,
)
from kcomponents._recording.outputs import Output
from kcomponents._recording.sample import Sample
from kcomponents._scoring.simple_models import reachable


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


def _of_output(sample: Sample, output: Output):
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


def fit_facts(known):
    """Return the arguments of `fit`, for `structure["fit"]`."""
    epochs = known.get("epoch_iterator")
    weights = known.get("class_weight")
    return {
        "epochs": known.get("epochs"),
        "batch_size": _batch_size(known),
        "steps": getattr(epochs, "num_batches", None),
        "validation": known.get("validation_data") is not None,
        "class_weight": weights and {str(k): float(v) for k, v in weights.items()},
        "sample_weight": known.get("sample_weight") is not None,
        "shuffle": bool(known.get("shuffle")),
    }


def _batch_size(known):
    given = known.get("batch_size")
    arrays = hasattr(known.get("x"), "shape")
    return int(given) if given else 32 if arrays else None


def initial_facts(model):
    """Return path → facts about each kernel before training."""
    found = {}
    for variable in model.trainable_variables:
        if len(variable.shape) < 2 or not np.prod(variable.shape):
            continue
        values = keras.ops.cast(variable.value, "float32")
        first = values[..., :1]
        differ = keras.ops.max(keras.ops.abs(values - first))
        numbers = [keras.ops.mean(values), keras.ops.std(values), differ]
        mean, std, differ = (float(keras.ops.convert_to_numpy(n)) for n in numbers)
        shape = variable.shape
        fan_in = int(np.prod(shape[:-1]))
        found[variable.path] = {
            "shape": list(shape),
            "mean": mean,
            "std": std,
            "fan_in": fan_in,
            # Whether all units of the layer start with the same weights.
            "units_equal": bool(differ == 0 and shape[-1] > 1),
        }
    return found


def versions():
    """Return the versions of the package, Keras and Python."""
    return {
        "kcomponents": version.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }
