"""Rules on outputs, losses and targets that contradict each other."""

import math

from kcomponents._activation_traits import UNKNOWN, traits_of
from kcomponents._scoring.scores import BINARY, CATEGORICAL, REGRESSION, SPARSE
from kcomponents.doctor import _remedies
from kcomponents.doctor._skill import ACCURACIES
from kcomponents.doctor.diagnosis import Finding

LABEL = "wrong_loss_or_output_activation"
ENTROPIES = BINARY | CATEGORICAL | SPARSE


def wrong_output(case):
    """Find outputs whose units, activation, loss and targets contradict each other."""
    found = []
    for output in case.outputs:
        for check in CHECKS:
            if evidence := check(output):
                remedies = _remedies.wrong_loss_or_output_activation(output)
                found.append(
                    Finding(LABEL, output["name"], (evidence,), "high", remedies)
                )
                break
    return found


def _one_unit_softmax(output):
    if traits_of(output["activation"]).distribution and output["units"] == 1:
        return (
            f"The output is a {output['activation']} over a single unit, so it is "
            "always 1."
        )
    return None


def _one_unit_for_classes(output):
    if output["units"] == 1 and output["loss"] in CATEGORICAL | SPARSE:
        return (
            f"{output['loss']} needs one unit per class, but the output has a single "
            "unit."
        )
    return None


def _labels_for_several_units(output):
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


def _one_hot_for_sparse(output):
    target = output["target"]
    if output["loss"] in SPARSE and target.get("one_hot") and output["units"] > 1:
        if target["shape"] == output.get("shape"):
            return f"Targets are one-hot, but {output['loss']} expects integer labels."
    return None


def _broadcast_shapes(output):
    """Find targets that the loss broadcasts to outputs of another shape."""
    target, shape = output["target"], output.get("shape")
    compares = output["loss"] in REGRESSION | BINARY
    if not compares or shape is None or "std" not in target:
        return None
    shapes = [[n for n in s if n != 1] for s in (shape, target["shape"])]
    if shapes[0] == shapes[1]:
        return None
    return (
        f"A target has shape {tuple(target['shape'])}, an output {tuple(shape)}: the "
        "loss broadcasts them and compares each target with many outputs."
    )


def _no_probabilities(output):
    """Find a cross-entropy behind an activation that gives other numbers."""
    activation = output["activation"]
    traits = traits_of(activation)
    # Of an activation that is not in the table, nothing is known.
    fits = traits.probabilities or traits is UNKNOWN
    if output["loss"] in ENTROPIES and not fits and not output["from_logits"]:
        return (
            f"{output['loss']} expects probabilities, but the output's activation is "
            f"{activation} and `from_logits` is not set."
        )
    return None


def _numbers_beyond_probabilities(output):
    """Find outputs below 0 or above 1 for a cross-entropy, whatever made them."""
    low, high = output.get("lowest"), output.get("highest")
    if low is None or output["loss"] not in ENTROPIES or output["from_logits"]:
        return None
    # Keras divides the outputs of several classes by their sum.
    beyond = low < -0.01 or output["loss"] in BINARY and high > 1.01
    if beyond:
        return (
            f"{output['loss']} expects probabilities, but the outputs range from "
            f"{low:.3g} to {high:.3g} and `from_logits` is not set."
        )
    return None


def _loss_over_samples(output):
    """Find a loss that takes the samples for the classes."""
    if output["loss"] in ENTROPIES and output.get("loss_axis") == 0:
        return (
            f"{output['loss']} with `axis=0` compares the samples of a batch as if "
            "they were classes; the classes are on the last axis, -1."
        )
    return None


def _other_probabilities(output):
    """Find probabilities of one class per sample for several questions, or reversed."""
    target, units = output["target"], output["units"]
    loss, activation = output["loss"], output["activation"]
    traits = traits_of(activation)
    if loss in CATEGORICAL | SPARSE and not output["from_logits"]:
        if traits.probabilities and not traits.distribution and units > 1:
            return (
                f"{loss} expects class probabilities that sum to 1, but {activation} "
                f"over {units} units gives independent ones."
            )
    if loss in BINARY and units > 2 and traits.distribution:
        if target.get("one_hot"):
            return (
                f"{loss} treats the {units} {activation} units as {units} yes/no "
                "questions, but each sample has exactly one class."
            )
    if loss in CATEGORICAL and target.get("row_sum_max", 1) > 1.5:
        return (
            f"{loss} expects one class per sample, but some rows of the targets sum to "
            f"{target['row_sum_max']:.3g}, not 1."
        )
    return None


def _probabilities_as_logits(output):
    traits = traits_of(output["activation"])
    # Of an activation that is not known, the outputs themselves say it.
    unknown = traits is UNKNOWN and output["loss"] in CATEGORICAL | SPARSE
    probabilities = traits.probabilities or unknown and output.get("sums_to_one")
    if output["loss"] in ENTROPIES and output["from_logits"] and probabilities:
        applied = "sigmoid" if output["loss"] in BINARY else "softmax"
        again = " a second time" if applied == output["activation"] else ""
        return (
            f"The output already gives probabilities{_in_brackets(output)}, and "
            f"`from_logits=True` makes the loss apply {applied} to them{again}."
        )
    return None


def _in_brackets(output):
    return f" ({output['activation']})" if output["activation"] else ""


def _unreachable_targets(output):
    """Find regression targets beyond the range of the output's activation."""
    target, activation = output["target"], output["activation"]
    traits = traits_of(activation)
    if "std" not in target or output["loss"] not in REGRESSION:
        return None
    sums = target.get("row_sum_min", 1), target.get("row_sum_max", 1)
    if traits.distribution and max(abs(s - 1) for s in sums) > 0.1:
        return (
            f"{activation.capitalize()} outputs sum to 1, but rows of the targets sum "
            f"to between {sums[0]:.3g} and {sums[1]:.3g}."
        )
    low, high = traits.low, traits.high
    margin = 0.05 * (target["max"] - target["min"])
    # Noise slightly out of range does no harm.
    beyond = target["max"] > high + margin or target["min"] < low - margin
    if beyond and not _only_outermost(target, low, high):
        return (
            f"Targets range from {target['min']:.3g} to {target['max']:.3g}, but "
            f"{activation} only gives values {_range(low, high)}."
        )
    return None


def _only_outermost(target, low, high):
    """Return whether all but the outermost targets are within the range."""
    inner_low = target["mean"] - 2 * target["std"]
    inner_high = target["mean"] + 2 * target["std"]
    return inner_low >= low and inner_high <= high


def _range(low, high):
    if high == math.inf:
        return f"of at least {low:.3g}"
    if low == -math.inf:
        return f"of at most {high:.3g}"
    return f"from {low:.3g} to {high:.3g}"


CHECKS = (
    _one_unit_softmax,
    _one_unit_for_classes,
    _labels_for_several_units,
    _one_hot_for_sparse,
    _broadcast_shapes,
    _loss_over_samples,
    _no_probabilities,
    _numbers_beyond_probabilities,
    _other_probabilities,
    _probabilities_as_logits,
    _unreachable_targets,
)


def _own_loss_broadcasts(case, output):
    """Find targets that a loss of the user's own may broadcast to the outputs."""
    target, shape = output["target"], output.get("shape") or []
    unlike = target.get("shape") == [] and shape == [1]
    skill = next((s for s in case.skills if s.output is output), None)
    if not output.get("guessed") or not unlike or skill is None:
        return None
    if not skill.is_constant:
        return None
    return (
        "Targets have shape (samples,), and outputs (samples, 1): a loss with "
        "`y - y_pred` broadcasts both to (samples, samples) and compares each target "
        "with all outputs. The outputs are nearly the same for all samples."
    )


def loss_of_another_task(case):
    """Find a loss or an activation that suits another task."""
    for output in case.outputs:
        if evidence := _own_loss_broadcasts(case, output):
            remedies = _remedies.same_shapes()
            return [Finding(LABEL, output["name"], (evidence,), "high", remedies)]
        evidence = _classes_as_quantities(case, output)
        if not evidence and (case.at_chance or case.underfits):
            evidence = (
                _regression_of_classes(output)
                or _binary_loss_of_classes(output)
                or _stacked_activations(case)
            )
        if evidence:
            remedies = _remedies.wrong_loss_or_output_activation(output)
            return [Finding(LABEL, output["name"], (evidence,), "medium", remedies)]
    return []


def _classes_as_quantities(case, output):
    """Find class numbers that a regression loss treats as quantities."""
    values = output["target"].get("values") or []
    metrics = [case.last_logs[key] for key in ACCURACIES if key in case.last_logs]
    few = output["task"] == "regression" and 2 < len(values) <= 20
    if few and metrics and metrics[0] < 0.6:
        return (
            f"Targets look like {len(values)} classes, with accuracy as a metric, but "
            f"{output['loss']} treats them as quantities; accuracy is {metrics[0]:.0%}."
        )
    return None


def _regression_of_classes(output):
    classes = output["task"] in ("binary", "categorical", "multilabel")
    if not classes or output["loss"] not in REGRESSION:
        return None
    if traits_of(output["activation"]).probabilities:
        return (
            f"{output['loss']} is a regression loss; after {output['activation']} it "
            "is flat for confident wrong predictions, so learning stalls."
        )
    return (
        f"{output['loss']} is a regression loss, but the targets are classes, and a "
        f"{output['activation']} output gives no probabilities."
    )


def _binary_loss_of_classes(output):
    if output["task"] == "categorical" and output["loss"] in BINARY:
        if output["units"] > 2:
            return (
                f"{output['loss']} treats the {output['units']} units as yes/no "
                "questions, but each sample has exactly one class."
            )
    return None


def _stacked_activations(case):
    """Find a last activation on top of another one, or softmax in a hidden layer."""
    active = [la for la in case.layers if la["activation"] not in (None, "linear")]
    if len(active) < 2 or not traits_of(active[-1]["activation"]).probabilities:
        return None
    *_, before, last = active
    alone = last["class"] in ("Activation", "Softmax")
    # With weights in between, the earlier activation belongs to another layer.
    after = case.layers[case.layers.index(before) + 1 :]
    weighted = [layer for layer in after if layer["parameters"] and layer is not last]
    traits = traits_of(before["activation"])
    limited = math.isfinite(traits.low) or math.isfinite(traits.high)
    if alone and not weighted and limited:
        return (
            f"Layer {last['path']} applies {last['activation']} on top of "
            f"{before['activation']}, which already limits the values."
        )
    inner = [la for la in active[:-1] if traits_of(la["activation"]).distribution]
    if inner and not case.layers_of("MultiHeadAttention"):
        return (
            f"Hidden layer {inner[0]['path']} applies {inner[0]['activation']}, so "
            "only one of its units can be close to 1."
        )
    return None
