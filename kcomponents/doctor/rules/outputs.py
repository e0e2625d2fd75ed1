"""Rule on outputs, losses and targets that contradict each other."""

import math

from kcomponents._scoring.scores import BINARY, CATEGORICAL, REGRESSION, SPARSE
from kcomponents.doctor import _remedies
from kcomponents.doctor._case import ACCURACIES
from kcomponents.doctor.diagnosis import Finding

RULE = "wrong_loss_or_output_activation"
# Activation → lowest and highest output.
RANGES = {
    "hard_sigmoid": (0, 1),
    "relu": (0, math.inf),
    "relu6": (0, 6),
    "sigmoid": (0, 1),
    "softmax": (0, 1),
    "softplus": (0, math.inf),
    "softsign": (-1, 1),
    "tanh": (-1, 1),
}
UNBOUNDED = {"linear", "relu", "tanh", "leaky_relu", "elu", "selu", "softplus", "gelu"}
ENTROPIES = BINARY | CATEGORICAL | SPARSE


def wrong_output(case):
    """Find outputs whose units, activation, loss and targets contradict each other."""
    found = []
    for output in case.outputs:
        for check in CHECKS:
            evidence = check(output)
            if evidence:
                remedies = _remedies.output_and_loss(output)
                found.append(
                    Finding(RULE, output["name"], (evidence,), "high", remedies)
                )
                break
    return found


def _one_unit_softmax(output):
    if output["activation"] == "softmax" and output["units"] == 1:
        return "The output is a softmax over a single unit, so it is always 1."
    return None


def _one_unit_of_classes(output):
    single = output["units"] == 1 and output["loss"] in CATEGORICAL | SPARSE
    if single:
        return (
            f"{output['loss']} needs one unit per class, but the output has a single "
            "unit."
        )
    return None


def _labels_as_numbers(output):
    """Find integer labels that the loss compares with each of several units."""
    target = output["target"]
    if output["units"] < 2 or not target.get("integer") or "std" not in target:
        return None
    flat = target["shape"] in ([], [1]) and output.get("shape") not in ([], [1])
    if flat and output["loss"] in (CATEGORICAL | BINARY | REGRESSION):
        return (
            f"Each target is one integer, and {output['loss']} compares each of the "
            f"output's {output['units']} units with that integer."
        )
    return None


def _rows_for_sparse(output):
    target = output["target"]
    if output["loss"] in SPARSE and target.get("one_hot") and output["units"] > 1:
        if target["shape"] == output.get("shape"):
            return f"Targets are one-hot, but {output['loss']} expects integer labels."
    return None


def _other_shape(output):
    """Find targets that the loss broadcasts to outputs of another shape."""
    target, shape = output["target"], output.get("shape")
    if (
        output["loss"] not in REGRESSION | BINARY
        or shape is None
        or "std" not in target
    ):
        return None
    shapes = [[n for n in s if n != 1] for s in (shape, target["shape"])]
    if shapes[0] == shapes[1]:
        return None
    return (
        f"A target has shape {tuple(target['shape'])}, an output {tuple(shape)}: the "
        "loss broadcasts them and compares each target with many outputs."
    )


def _entropy_of_no_probability(output):
    unbounded = output["activation"] in UNBOUNDED
    if output["loss"] in ENTROPIES and unbounded and not output["from_logits"]:
        return (
            f"{output['loss']} expects probabilities, but the output's activation is "
            f"{output['activation']} and `from_logits` is not set."
        )
    return None


def _entropy_of_wrong_kind(output):
    target, units = output["target"], output["units"]
    if output["loss"] in CATEGORICAL | SPARSE and not output["from_logits"]:
        if output["activation"] in ("sigmoid", "hard_sigmoid") and units > 1:
            return (
                f"{output['loss']} expects class probabilities that sum to 1, but "
                f"{output['activation']} over {units} units gives independent ones."
            )
    if output["loss"] in BINARY and units > 2 and output["activation"] == "softmax":
        if target.get("one_hot"):
            return (
                f"{output['loss']} treats the {units} softmax units as {units} yes/no "
                "questions, but each sample has exactly one class."
            )
    if output["loss"] in CATEGORICAL and target.get("row_sum_max", 1) > 1.5:
        return (
            f"{output['loss']} expects one class per sample, but some rows of the "
            f"targets sum to {target['row_sum_max']:.3g}, not 1."
        )
    return None


def _logits_twice(output):
    squashed = output["activation"] in ("softmax", "sigmoid")
    if output["loss"] in ENTROPIES and output["from_logits"] and squashed:
        return (
            f"The output already applies {output['activation']}, and "
            "`from_logits=True` makes the loss apply it a second time."
        )
    return None


def _targets_out_of_reach(output):
    target = output["target"]
    if "std" not in target or output["loss"] not in REGRESSION:
        return None
    sums = target.get("row_sum_min", 1), target.get("row_sum_max", 1)
    if output["activation"] == "softmax" and max(abs(s - 1) for s in sums) > 0.1:
        return (
            "Softmax outputs sum to 1, but rows of the targets sum to between "
            f"{sums[0]:.3g} and {sums[1]:.3g}."
        )
    low, high = RANGES.get(output["activation"], (-math.inf, math.inf))
    room = 0.05 * (target["max"] - target["min"])
    # Noise slightly out of range does no harm.
    beyond = target["max"] > high + room or target["min"] < low - room
    if beyond and not _few_beyond(target, low, high):
        limits = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        return (
            f"Targets range from {target['min']:.3g} to {target['max']:.3g}, but "
            f"{output['activation']} only gives values {limits}."
        )
    return None


def _few_beyond(target, low, high):
    """Tell whether all but the outermost targets are within reach."""
    inner_low = target["mean"] - 2 * target["std"]
    inner_high = target["mean"] + 2 * target["std"]
    return inner_low >= low and inner_high <= high


CHECKS = (
    _one_unit_softmax,
    _one_unit_of_classes,
    _labels_as_numbers,
    _rows_for_sparse,
    _other_shape,
    _entropy_of_no_probability,
    _entropy_of_wrong_kind,
    _logits_twice,
    _targets_out_of_reach,
)


# Rule on losses and activations of another task, reported if training suffers.

SQUASHED = "softmax", "sigmoid"


def loss_of_another_task(case):
    """Find a loss or an activation that suits another task."""
    for output in case.outputs:
        evidence = _classes_as_amounts(case, output)
        if not evidence and (case.fails or case.short):
            evidence = (
                _numbers_for_classes(output)
                or _questions_for_classes(output)
                or _activation_twice(case)
            )
        if evidence:
            remedies = _remedies.output_and_loss(output)
            return [Finding(RULE, output["name"], (evidence,), "medium", remedies)]
    return []


def _numbers_for_classes(output):
    classes = output["task"] in ("binary", "categorical", "multilabel")
    if not classes or output["loss"] not in REGRESSION:
        return None
    if output["activation"] in SQUASHED:
        return (
            f"{output['loss']} is a regression loss; after {output['activation']} it "
            "is flat for confident wrong predictions, so learning stalls."
        )
    return (
        f"{output['loss']} is a regression loss, but the targets are classes, and a "
        f"{output['activation']} output gives no probabilities."
    )


def _questions_for_classes(output):
    if output["task"] == "categorical" and output["loss"] in BINARY:
        if output["units"] > 2:
            return (
                f"{output['loss']} treats the {output['units']} units as yes/no "
                "questions, but each sample has exactly one class."
            )
    return None


def _classes_as_amounts(case, output):
    """Find class numbers that a regression loss treats as quantities."""
    values = output["target"].get("values") or []
    last = case.record.logs[-1] if case.record.logs else {}
    shown = [last[key] for key in ACCURACIES if key in last]
    few = output["task"] == "regression" and 2 < len(values) <= 20
    if few and shown and shown[0] < 0.6:
        return (
            f"Targets look like {len(values)} classes, with accuracy as a metric, but "
            f"{output['loss']} treats them as quantities; accuracy is {shown[0]:.0%}."
        )
    return None


def _activation_twice(case):
    """Find a last activation on top of another one, or softmax in a hidden layer."""
    kept = [la for la in case.layers if la["activation"] not in (None, "linear")]
    if len(kept) < 2 or kept[-1]["activation"] not in SQUASHED:
        return None
    *_, before, last = kept
    bare = last["class"] in ("Activation", "Softmax")
    # With weights in between, the earlier activation belongs to another layer.
    after = case.layers[case.layers.index(before) + 1 :]
    weighted = [layer for layer in after if layer["parameters"] and layer is not last]
    if bare and not weighted and before["activation"] in ("relu", *SQUASHED):
        return (
            f"Layer {last['path']} applies {last['activation']} on top of "
            f"{before['activation']}, which already limits the values."
        )
    inner = [la for la in kept[:-1] if la["activation"] == "softmax"]
    if inner and not case.holds("MultiHeadAttention"):
        return (
            f"Hidden layer {inner[0]['path']} applies softmax, so only one of its "
            "units can be close to 1."
        )
    return None
