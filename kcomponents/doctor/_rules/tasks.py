"""Rule on losses and activations of another task, reported if training suffers."""

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data
from kcomponents.doctor._scores import BINARY, REGRESSION
from kcomponents.doctor._skill import ACCURACIES

RULE = "wrong_loss_or_output_activation"
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
            remedies = _for_data.output_and_loss(output)
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
