"""Criteria of two published tools, applied to a record, for comparison.

Each function takes a record and returns the labels that its tool would give, with the
tool's thresholds. A comment marks where a record lacks the number that the tool reads
and the nearest one is used.
"""

import math

DENSE = "Dense", "Conv1D", "Conv2D", "Conv3D"
RELUS = "relu", "relu6"


def umlaut(record):
    """Return the labels that UMLAUT's heuristics give.

    Reference: Schoop, Huang & Hartmann, "UMLAUT: debugging deep learning programs using
    program structure and model behavior", 2021, https://doi.org/10.1145/3411764.3445538
    """
    found = set()
    structure, logs = record.structure, record.logs
    layers = structure.get("layers") or []
    weighted = [layer for layer in layers if layer["class"] in DENSE]
    loss = structure.get("loss")
    loss = loss if isinstance(loss, dict) else {}
    logits = (loss.get("config") or {}).get("from_logits")
    # It checks the name of the last layer, not its activation.
    named = layers and "softmax" in layers[-1]["path"].lower()
    if not named and not logits and "rossentropy" in str(loss.get("class")):
        found.add("wrong_loss_or_output_activation")
    if any(layer["activation"] == "linear" for layer in weighted[:-1]):
        found.add("missing_activation")
    rate = ((structure.get("optimizer") or {}).get("config") or {}).get("learning_rate")
    if isinstance(rate, float):
        found |= {"learning_rate_too_high"} if rate > 0.01 else set()
        found |= {"learning_rate_too_low"} if rate < 1e-7 else set()
    for facts in (structure.get("data") or {}).get("inputs") or []:
        if facts.get("max", 0) > 1 or facts.get("min", 0) < -1:
            found.add("unnormalized_input")
        if facts.get("nonfinite"):
            found.add("loss_nan")
    if any(not math.isfinite(entry.get("loss", 0)) for entry in logs):
        found.add("loss_nan")
    for layer in layers:
        if layer["class"] == "Dropout" and layer.get("rate", 0) > 0.5:
            found.add("over_regularized")
    for before, after in zip(logs, logs[1:], strict=False):
        if "val_loss" in after and "val_loss" in before:
            if (
                after["val_loss"] > before["val_loss"]
                and after["loss"] < before["loss"]
            ):
                found.add("overfitting")
    for entry in logs:
        own, other = _accuracy(entry), _accuracy(entry, "val_")
        if other is not None and (other > 0.95 or other - (own or 0) > 0.05):
            found.add("data_split_problem")
    return found


def autotrainer(record):
    """Return the labels that AutoTrainer's detectors give.

    Reference: Zhang et al., "AutoTrainer: an automatic DNN training problem detection
    and repair system", 2021, https://doi.org/10.1109/ICSE43902.2021.00043
    """
    found = _by_strings(record)
    looks = [reading for reading in record.readings if reading.step > 0]
    losses = [entry["loss"] for entry in record.logs if "loss" in entry]
    accuracies = [_accuracy(entry) for entry in record.logs]
    accuracies = [value for value in accuracies if value is not None]
    best = max(accuracies, default=0.0)
    if any(not math.isfinite(loss) or loss >= 1000 for loss in losses):
        found.add("loss_nan")
    if looks:
        found |= _by_gradients(record, looks, best)
    if len(accuracies) >= 5:
        turns = _turns(accuracies)
        if turns >= 0.2 * len(accuracies):
            found.add("oscillating_loss")
    late = accuracies[int(0.3 * len(accuracies)) :]
    gains = [b - a for a, b in zip(late, late[1:], strict=False)]
    if gains and max(gains) < 0.01 and best < 0.6:
        found |= {"slow_learning", "not_learning"}
    for facts in (record.structure.get("data") or {}).get("inputs") or []:
        # It checks the mean of each layer's outputs; here, that of the inputs.
        if abs(facts.get("mean", 0.0)) >= 10:
            found.add("unnormalized_input")
    return found


def _by_strings(record):
    """Return labels by the loss, the output activation and its number of units."""
    outputs = (record.structure.get("data") or {}).get("outputs") or []
    for output in outputs:
        units, kind = output.get("units"), output.get("activation")
        loss = str(output.get("loss"))
        wrong = ("Categorical" in loss and (units == 1 or kind != "softmax")) or (
            "Binary" in loss and kind != "sigmoid"
        )
        if wrong and not output.get("from_logits"):
            return {"wrong_loss_or_output_activation"}
    return set()


def _by_gradients(record, looks, best):
    found = set()
    shapes = {v["path"]: v["shape"] for v in record.structure.get("variables") or []}
    norms = looks[-1].values.get("gradient_norm", {})
    kernels = [norms[p] for p in norms if len(shapes.get(p, ())) > 1]
    if len(kernels) > 1 and kernels[-1] > 0:
        ratio = kernels[0] / kernels[-1]
        if ratio < 1e-3 and kernels[0] < 1e-4 and best < 0.7:
            found.add("vanishing_gradient")
        if ratio > 70:
            found.add("exploding_gradient")
    # It counts gradients of exactly 0, which dead units have.
    dead = looks[-1].values.get("dead_units", {}).values()
    if dead and sum(dead) / len(dead) >= 0.7:
        found.add("dead_relu")
    return found


def _turns(values):
    """Count peaks that are followed by a valley at least 0.03 below."""
    moves = [b - a for a, b in zip(values, values[1:], strict=False)]
    return sum(a > 0 and b <= -0.03 for a, b in zip(moves, moves[1:], strict=False))


def _accuracy(entry, prefix=""):
    for name, value in entry.items():
        plain = name.removeprefix(prefix)
        if name.startswith(prefix) and plain.endswith(("accuracy", "acc")):
            if prefix or not name.startswith("val_"):
                return value
    return None
