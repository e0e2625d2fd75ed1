"""Rules on outputs, losses and targets that do not fit together."""

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data
from kcomponents.doctor._scores import BINARY, CATEGORICAL, REGRESSION, SPARSE

RULE = "wrong_loss_or_output_activation"
# Activation → what it can put out.
RANGES = {
    "hard_sigmoid": (0, 1),
    "relu": (0, float("inf")),
    "relu6": (0, 6),
    "sigmoid": (0, 1),
    "softmax": (0, 1),
    "softplus": (0, float("inf")),
    "softsign": (-1, 1),
    "tanh": (-1, 1),
}
UNBOUNDED = {"linear", "relu", "tanh", "leaky_relu", "elu", "selu", "softplus", "gelu"}
ENTROPIES = BINARY | CATEGORICAL | SPARSE


def wrong_output(case):
    """Find outputs whose width, activation, loss and targets contradict each other."""
    found = []
    for output in case.outputs:
        for check in CHECKS:
            told = check(output)
            if told:
                wanted = _for_data.output_and_loss(output)
                found.append(Finding(RULE, output["name"], (told,), "high", wanted))
                break
    return found


def _one_unit_softmax(output):
    if output["activation"] == "softmax" and output["units"] == 1:
        return "Softmax over a single unit always gives 1, whatever the input is."
    return None


def _one_unit_of_classes(output):
    single = output["units"] == 1 and output["loss"] in CATEGORICAL | SPARSE
    if single:
        return (
            f"{output['loss']} compares classes, but the output has a single unit, "
            "so there is nothing to choose from."
        )
    return None


def _labels_as_numbers(output):
    """Find integer labels of several classes that are spread over several units."""
    target = output["target"]
    if output["units"] < 2 or not target.get("integer") or "std" not in target:
        return None
    flat = target["shape"] in ([], [1]) and output.get("shape") not in ([], [1])
    if flat and output["loss"] in (CATEGORICAL | BINARY | REGRESSION):
        return (
            f"Targets are one integer a row, the output has {output['units']} units, "
            f"and {output['loss']} compares each unit with that integer."
        )
    return None


def _rows_for_sparse(output):
    target = output["target"]
    if output["loss"] in SPARSE and target.get("one_hot") and output["units"] > 1:
        if target["shape"] == output.get("shape"):
            return (
                "Targets are one-hot rows, but SparseCategoricalCrossentropy takes "
                "integer labels."
            )
    return None


def _other_shape(output):
    """Find targets that are spread over outputs of another shape."""
    target, shape = output["target"], output.get("shape")
    if (
        output["loss"] not in REGRESSION | BINARY
        or shape is None
        or "std" not in target
    ):
        return None
    wanted, given = ([n for n in s if n != 1] for s in (shape, target["shape"]))
    if wanted == given:
        return None
    return (
        f"A row of targets has shape {tuple(target['shape'])}, one of outputs "
        f"{tuple(shape)}: the loss compares each target with many outputs."
    )


def _entropy_of_no_probability(output):
    unbounded = output["activation"] in UNBOUNDED
    if output["loss"] in ENTROPIES and unbounded and not output["from_logits"]:
        return (
            f"{output['loss']} expects probabilities, but the output's activation is "
            f"{output['activation']}, and `from_logits` is not set."
        )
    return None


def _entropy_of_wrong_kind(output):
    target, units = output["target"], output["units"]
    if output["loss"] in CATEGORICAL | SPARSE and not output["from_logits"]:
        if output["activation"] in ("sigmoid", "hard_sigmoid") and units > 1:
            return (
                f"{output['loss']} expects shares of classes that sum to 1, but a "
                f"{output['activation']} on {units} units gives independent ones."
            )
    if output["loss"] in BINARY and units > 2 and output["activation"] == "softmax":
        if target.get("one_hot"):
            return (
                f"BinaryCrossentropy takes the {units} units of a softmax for "
                f"{units} questions of yes or no, though one class of them is right."
            )
    if output["loss"] in CATEGORICAL and target.get("row_sum_max", 1) > 1.5:
        return (
            "CategoricalCrossentropy expects one class a row, but rows of the targets "
            f"sum to up to {target['row_sum_max']:.3g}."
        )
    return None


def _logits_twice(output):
    squashed = output["activation"] in ("softmax", "sigmoid")
    if output["loss"] in ENTROPIES and output["from_logits"] and squashed:
        return (
            f"The output applies {output['activation']}, and `from_logits=True` lets "
            "the loss apply it a second time."
        )
    return None


def _targets_out_of_reach(output):
    target = output["target"]
    if "std" not in target or output["loss"] not in REGRESSION:
        return None
    sums = target.get("row_sum_min", 1), target.get("row_sum_max", 1)
    if output["activation"] == "softmax" and max(abs(s - 1) for s in sums) > 0.1:
        return (
            f"Rows of a softmax sum to 1, but those of the targets to {sums[0]:.3g} up "
            f"to {sums[1]:.3g}."
        )
    low, high = RANGES.get(output["activation"], (-float("inf"), float("inf")))
    room = 0.05 * (target["max"] - target["min"])
    # A little beyond, as by noise, does no harm.
    beyond = target["max"] > high + room or target["min"] < low - room
    if beyond and not _few_beyond(target, low, high):
        return (
            f"Targets go from {target['min']:.3g} to {target['max']:.3g}, but "
            f"{output['activation']} gives only values from {low} to {high}."
        )
    return None


def _few_beyond(target, low, high):
    """Tell targets of which only the edge of their spread is out of reach."""
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
