"""Rules on the data: labels, the split, the scale of inputs and targets."""

from kcomponents._scoring.scores import BINARY, CATEGORICAL, SPARSE
from kcomponents._text import quantity
from kcomponents.doctor import _remedies
from kcomponents.doctor._thresholds import (
    CONTRADICTIONS,
    FEWEST_INPUTS,
    LEAKAGE,
    class_shift,
    input_scale,
    on_another_scale,
    target_severity,
)
from kcomponents.doctor.diagnosis import Finding

LABELS, SPLIT = "label_problem", "data_split_problem"
INPUT, TARGET = "unnormalized_input", "unnormalized_target"


def label_problem(case):
    """Find labels that are out of range, all the same, or NaN."""
    found = []
    for output in case.outputs:
        target = output["target"]
        if "std" not in target:
            continue
        for check in (_nonfinite, _constant, _out_of_range):
            if evidence := check(output, target):
                remedies = _remedies.label_problem()
                found.append(
                    Finding(LABELS, output["name"], (evidence,), "high", remedies)
                )
                break
    return found


def _nonfinite(output, target):
    if target.get("nonfinite"):
        count = quantity(target["nonfinite"], "value")
        return f"Targets contain NaN or infinity ({count})."
    return None


def _constant(output, target):
    if target["std"] == 0 and target["rows"] > 1 and output["task"] != "unknown":
        return f"All targets are the same: {target['min']:.4g}."
    constant = [s == 0 for s in target.get("column_std", [])]
    if target.get("one_hot") and constant and all(constant):
        return "All targets belong to the same class."
    return None


def _out_of_range(output, target):
    units = output["units"]
    if output["loss"] in SPARSE and (target["max"] >= units or target["min"] < 0):
        return (
            f"Labels range from {target['min']:.0f} to {target['max']:.0f}, but an "
            f"output with {quantity(units, 'unit')} allows labels 0 to {units - 1}."
        )
    if output["loss"] in CATEGORICAL and target.get("row_sum_min", 1) < 0.5:
        return (
            f"{output['loss']} expects one class per sample, but some rows of the "
            f"targets sum to {target['row_sum_min']:.3g}, not 1."
        )
    if output["loss"] in BINARY and (target["max"] > 1 or target["min"] < 0):
        return (
            f"{output['loss']} expects targets from 0 to 1, but they range from "
            f"{target['min']:.4g} to {target['max']:.4g}."
        )
    return None


def contradictory_labels(case):
    """Find equal inputs with different labels, and labels unrelated to the inputs."""
    if not case.at_chance:
        return []
    for output in case.outputs:
        share = output.get("contradictions") or 0.0
        if share > CONTRADICTIONS:
            evidence = (
                f"{share:.0%} of the samples have the same inputs as a sample with "
                "another label."
            )
            remedies = _remedies.contradictory_labels()
            return [Finding(LABELS, output["name"], (evidence,), "high", remedies)]
    skill = case.worst_skill
    simple = skill and skill.output.get("reachable")
    ranks = [len(i["shape"]) for i in case.inputs]
    rows = case.data.get("sampled") or 0
    # Simple models say little about sequences and about rare classes.
    rare = (skill.output.get("baseline_accuracy") or 0.0) > 0.85 if skill else True
    comparable = max(ranks, default=9) != 2 and not rare
    if simple and simple["best"] < 0.08 and rows >= 80 and comparable:
        evidence = (
            "Inputs and labels seem unrelated: neither the model nor linear models nor "
            "nearest neighbors do better than a constant prediction."
        )
        remedies = _remedies.contradictory_labels()
        return [Finding(LABELS, skill.name, (evidence,), "medium", remedies)]
    return []


def sorted_batches(case):
    """Find samples that are sorted by label and never shuffled."""
    skill, share = case.worst_skill, case.data.get("sorted") or 0.0
    size, rows = case.fit.get("batch_size"), case.data.get("rows") or 0
    if (
        not case.trains_badly
        or not skill
        or not skill.classifies
        or case.fit.get("shuffle")
    ):
        return []
    if share < 0.9 or not size or rows < 2 * size:
        return []
    evidence = (
        f"Samples are sorted by label ({share:.0%} have the same label as the previous "
        "sample), and with `shuffle=False` most batches hold a single class."
    )
    return [
        Finding(SPLIT, "shuffle", (evidence,), "high", _remedies.data_split_problem())
    ]


def data_split_problem(case):
    """Find validation data that differs from the training data or repeats it."""
    other = case.data.get("validation")
    if not other or not case.inputs:
        return []
    checks = _other_classes, _other_scale, _other_range, _leakage
    evidence = [text for check in checks if (text := check(case, other))]
    if not evidence:
        return []
    remedies = _remedies.data_split_problem()
    return [Finding(SPLIT, "validation_data", tuple(evidence), "high", remedies)]


def _other_classes(case, other):
    for output, target in zip(case.outputs, other.get("outputs") or [], strict=False):
        training, validation = _counts(output["target"]), _counts(target)
        if not training or not validation:
            continue
        if output["task"] in ("regression", "unknown"):
            continue
        shift = class_shift(training, validation)
        if shift.differs or shift.has_unseen:
            return (
                "Training and validation data have different classes: the class "
                f"frequencies differ by {shift.distance:.0%}, and {shift.unseen:.0%} "
                "of the validation labels never occur in the training data."
            )
    return None


def _counts(target):
    """Return label → number of samples, `{}` if the targets are not classes."""
    if target.get("one_hot"):
        shares = enumerate(target["column_mean"])
        return {label: share * target["rows"] for label, share in shares}
    values = target.get("values")
    if not values or target["shape"] not in ([], [1]):
        return {}
    return dict(zip(values, target["counts"], strict=True))


def _other_scale(case, other):
    for train, valid in zip(case.inputs, other.get("inputs") or [], strict=False):
        if "std" not in train or "std" not in valid or valid["rows"] < FEWEST_INPUTS:
            continue
        if train["dtype"].startswith(("int", "uint")) and not train["std"]:
            continue
        if on_another_scale(train, valid):
            return (
                "Validation inputs are on another scale: mean "
                f"{valid['mean']:.3g} and standard deviation {valid['std']:.3g}, but "
                f"{train['mean']:.3g} and {train['std']:.3g} in the training data."
            )
    return None


def _other_range(case, other):
    """Find values outside the training range, as after a split of sorted data."""
    if case.gap is None or case.gap < 0.15:
        return None
    share, what = max(
        (other.get("outside") or 0.0, "inputs"),
        (other.get("targets_outside") or 0.0, "targets"),
    )
    if share > 0.5:
        return (
            f"{share:.0%} of the validation {what} lie outside the range of the "
            "training data."
        )
    return None


def _leakage(case, other):
    share = other.get("in_training") or 0.0
    distinct = case.inputs[0].get("distinct", 0)
    few = distinct < 0.5 * case.inputs[0].get("rows", 0) or distinct < 20
    if share > LEAKAGE and not few:
        return f"{share:.0%} of the validation samples are also in the training data."
    return None


def unnormalized_input(case):
    """Find inputs that are too large, too small, or on very different scales."""
    if not case.trains_badly or case.normalized:
        return []
    found = []
    for facts in case.inputs:
        if "std" not in facts or _is_ids(case, facts):
            continue
        if scale := _input_scale(facts):
            pixels = facts["min"] >= 0 and 100 < facts["max"] <= 255
            remedies = _remedies.unnormalized_input(
                pixels=pixels and len(facts["shape"]) > 1
            )
            evidence = (_scale_sentence(scale, facts),)
            found.append(
                Finding(INPUT, facts["name"], evidence, scale.severity, remedies)
            )
    return found


def _input_scale(facts):
    means = [facts["mean"], *facts.get("column_mean", [])]
    stds = [facts["std"], *facts.get("column_std", [])]
    constant = facts["min"] == facts["max"] and facts["rows"] > 1
    return input_scale(means, stds, constant=constant)


def _scale_sentence(scale, facts):
    low, high = facts["min"], facts["max"]
    return {
        "constant": f"All inputs have the same value, {low:.4g}.",
        "large": f"Inputs range from {low:.4g} to {high:.4g}, and no layer normalizes "
        "them.",
        "tiny": f"Inputs are tiny: they range from {low:.3g} to {high:.3g}.",
        "unlike": f"Input columns differ in scale by a factor of {scale.ratio:,.0f}.",
    }[scale.kind]


def _is_ids(case, facts):
    """Return whether an input holds ids for an `Embedding`."""
    return facts.get("integer") and bool(case.layers_of("Embedding"))


def unnormalized_target(case):
    """Find regression targets that are too large or vary too little."""
    if not case.trains_badly:
        return []
    found = []
    for output in case.outputs:
        target = output["target"]
        if output["task"] != "regression" or "std" not in target:
            continue
        if severity := target_severity(target["mean"], target["std"]):
            evidence = (
                f"Targets have mean {target['mean']:.4g} and standard deviation "
                f"{target['std']:.4g}, but an untrained network predicts values near 0."
            )
            remedies = _remedies.unnormalized_target()
            found.append(
                Finding(TARGET, output["name"], (evidence,), severity, remedies)
            )
    return found
