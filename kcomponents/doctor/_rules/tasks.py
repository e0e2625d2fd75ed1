"""Rules on outputs that could work, and with which a training came to harm."""

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data
from kcomponents.doctor._scores import BINARY, REGRESSION
from kcomponents.doctor._skill import ACCURACIES

RULE = "wrong_loss_or_output_activation"
SQUASHED = "softmax", "sigmoid"


def loss_of_another_task(case):
    """Find losses and activations that are unusual for what is to be learned."""
    for output in case.outputs:
        told = _classes_as_amounts(case, output)
        if not told and (case.fails or case.short):
            told = (
                _numbers_for_classes(output)
                or _questions_for_classes(output)
                or _activation_twice(case)
            )
        if told:
            wanted = _for_data.output_and_loss(output)
            return [Finding(RULE, output["name"], (told,), "medium", wanted)]
    return []


def _numbers_for_classes(output):
    classes = output["task"] in ("binary", "categorical", "multilabel")
    if not classes or output["loss"] not in REGRESSION:
        return None
    if output["activation"] in SQUASHED:
        return (
            f"{output['loss']} is a loss for numbers; on classes it is flat where the "
            "output is surely wrong, so that learning stands still."
        )
    return (
        f"{output['loss']} is a loss for numbers, and an output with "
        f"{output['activation']} gives no probabilities."
    )


def _questions_for_classes(output):
    if output["task"] == "categorical" and output["loss"] in BINARY:
        if output["units"] > 2:
            return (
                "BinaryCrossentropy asks each unit for a yes or no, though one class "
                f"of {output['units']} is right."
            )
    return None


def _classes_as_amounts(case, output):
    """Find class numbers that are learned as if 3 were more than 2."""
    values = output["target"].get("values") or []
    last = case.record.logs[-1] if case.record.logs else {}
    counted = [last[key] for key in ACCURACIES if key in last]
    few = output["task"] == "regression" and 2 < len(values) <= 20
    if few and counted and counted[0] < 0.6:
        return (
            f"Targets are {len(values)} whole numbers and accuracy is counted, as of "
            f"classes, but {output['loss']} takes them for amounts; {counted[0]:.0%} "
            "are right."
        )
    return None


def _activation_twice(case):
    """Find a last activation that gets what another one has cut off."""
    kept = [la for la in case.layers if la["activation"] not in (None, "linear")]
    if len(kept) < 2 or kept[-1]["activation"] not in SQUASHED:
        return None
    *_, before, last = kept
    bare = last["class"] in ("Activation", "Softmax")
    # With weights of its own in between, or behind, it is another layer's activation.
    after = case.layers[case.layers.index(before) + 1 :]
    weighted = [layer for layer in after if layer["parameters"] and layer is not last]
    if bare and not weighted and before["activation"] in ("relu", *SQUASHED):
        return (
            f"{last['path']} applies {last['activation']} to what "
            f"{before['activation']} has cut off already."
        )
    inner = [la for la in kept[:-1] if la["activation"] == "softmax"]
    if inner and not case.holds("MultiHeadAttention"):
        return (
            f"{inner[0]['path']}, a hidden layer, applies softmax: of all its units "
            "one alone can be near 1."
        )
    return None
