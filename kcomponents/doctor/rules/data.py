"""Rules on labels and on the split into training and validation data."""

from kcomponents._scoring.scores import BINARY, CATEGORICAL, SPARSE
from kcomponents._text import counted
from kcomponents.doctor import _remedies
from kcomponents.doctor.diagnosis import Finding

LABELS, SPLIT = "label_problem", "data_split_problem"


def label_problem(case):
    """Find labels that are out of range, all the same, or NaN."""
    found = []
    for output in case.outputs:
        target = output["target"]
        if "std" not in target:
            continue
        for check in (_not_numbers, _of_one_kind, _out_of_range):
            evidence = check(output, target)
            if evidence:
                remedies = _remedies.labels(output)
                found.append(
                    Finding(LABELS, output["name"], (evidence,), "high", remedies)
                )
                break
    return found


def _not_numbers(output, target):
    if target.get("nonfinite"):
        count = counted(target["nonfinite"], "value")
        return f"Targets contain NaN or infinity ({count})."
    return None


def _of_one_kind(output, target):
    if target["std"] == 0 and target["rows"] > 1 and output["task"] != "unknown":
        return f"All targets are the same: {target['min']:.4g}."
    still = [s == 0 for s in target.get("column_std", [])]
    if target.get("one_hot") and still and all(still):
        return "All targets belong to the same class."
    return None


def _out_of_range(output, target):
    units = output["units"]
    if output["loss"] in SPARSE and (target["max"] >= units or target["min"] < 0):
        return (
            f"Labels range from {target['min']:.0f} to {target['max']:.0f}, but an "
            f"output with {counted(units, 'unit')} allows labels 0 to {units - 1}."
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
    if not case.fails:
        return []
    for output in case.outputs:
        share = output.get("contradictions") or 0.0
        if share > 0.2:
            evidence = (
                f"{share:.0%} of the samples have the same inputs as a sample with "
                "another label."
            )
            remedies = _remedies.labels(output)
            return [Finding(LABELS, output["name"], (evidence,), "high", remedies)]
    skill = case.worst
    known = skill and skill.output.get("reachable")
    wide = [len(i["shape"]) for i in case.inputs]
    rows = case.data.get("sampled") or 0
    # Simple models say little about sequences and about rare classes.
    rare = (skill.output.get("baseline_accuracy") or 0.0) > 0.85 if skill else True
    plain = max(wide, default=9) != 2 and not rare
    if known and known["best"] < 0.08 and rows >= 80 and plain:
        evidence = (
            "Inputs and labels seem unrelated: neither the model nor linear models nor "
            "nearest neighbors do better than a constant prediction."
        )
        remedies = _remedies.labels(skill.output)
        return [Finding(LABELS, skill.name, (evidence,), "medium", remedies)]
    return []


def sorted_batches(case):
    """Find samples that are sorted by label and never shuffled."""
    skill, alike = case.worst, case.data.get("sorted") or 0.0
    size, rows = case.fit.get("batch_size"), case.data.get("rows") or 0
    if not case.harm or not skill or not skill.classifies or case.fit.get("shuffle"):
        return []
    if alike < 0.9 or not size or rows < 2 * size:
        return []
    evidence = (
        f"Samples are sorted by label ({alike:.0%} have the same label as the previous "
        "sample), and with `shuffle=False` most batches hold a single class."
    )
    return [Finding(SPLIT, "shuffle", (evidence,), "high", _remedies.split())]


def data_split_problem(case):
    """Find validation data that differs from the training data or repeats it."""
    other = case.data.get("validation")
    if not other or not case.inputs:
        return []
    checks = _other_classes, _other_scale, _other_range, _the_same_rows
    evidence = [text for check in checks if (text := check(case, other))]
    if not evidence:
        return []
    return [
        Finding(SPLIT, "validation_data", tuple(evidence), "high", _remedies.split())
    ]


def _other_classes(case, other):
    for output, target in zip(case.outputs, other.get("outputs") or [], strict=False):
        train = _shares(output["target"])
        valid = _shares(target)
        if not train or not valid or output["task"] in ("regression", "unknown"):
            continue
        rows = target["rows"]
        far = sum(abs(train.get(k, 0) - valid.get(k, 0)) for k in {*train, *valid}) / 2
        new = sum(share for label, share in valid.items() if label not in train)
        if rows >= 20 and (far > 0.5 or new > 0.2):
            return (
                "Training and validation data have different classes: the class "
                f"frequencies differ by {far:.0%}, and {new:.0%} of the validation "
                "labels never occur in the training data."
            )
    return None


def _shares(target):
    """Return label → share of the samples."""
    if target.get("one_hot"):
        return dict(enumerate(target["column_mean"]))
    values = target.get("values")
    if not values or target["shape"] not in ([], [1]):
        return {}
    counts = target["counts"]
    return {v: c / sum(counts) for v, c in zip(values, counts, strict=True)}


def _other_scale(case, other):
    for train, valid in zip(case.inputs, other.get("inputs") or [], strict=False):
        if "std" not in train or "std" not in valid or valid["rows"] < 10:
            continue
        if train["dtype"].startswith(("int", "uint")) and not train["std"]:
            continue
        shift = abs(train["mean"] - valid["mean"]) / (train["std"] or 1.0)
        ratio = (valid["std"] or 1e-12) / (train["std"] or 1e-12)
        if shift > 5 or ratio > 20 or ratio < 0.05:
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


def _the_same_rows(case, other):
    share = other.get("in_training") or 0.0
    distinct = case.inputs[0].get("distinct", 0)
    few = distinct < 0.5 * case.inputs[0].get("rows", 0) or distinct < 20
    if share > 0.2 and not few:
        return f"{share:.0%} of the validation samples are also in the training data."
    return None


# Rules on the scale of inputs and targets.


def unnormalized_input(case):
    """Find inputs that are too large, too small, or on very different scales."""
    if not case.harm or case.normalized:
        return []
    found = []
    for facts in case.inputs:
        if "std" not in facts or _is_ids(case, facts):
            continue
        size = max(
            [abs(facts["mean"]), facts["std"]]
            + [abs(m) for m in facts.get("column_mean", [])]
            + facts.get("column_std", [])
        )
        stds = [s for s in facts.get("column_std", []) if s > 1e-9]
        ratio = max(stds) / min(stds) if len(stds) > 1 else 1.0
        evidence = []
        if facts["min"] == facts["max"] and facts["rows"] > 1:
            evidence.append(f"All inputs have the same value, {facts['min']:.4g}.")
        elif size > 15:
            evidence.append(
                f"Inputs range from {facts['min']:.4g} to {facts['max']:.4g}, and no "
                "layer normalizes them."
            )
        elif ratio > 100 and size > 5:
            evidence.append(
                f"Input columns differ in scale by a factor of {ratio:,.0f}."
            )
        elif size < 0.02 and facts["max"] > facts["min"]:
            evidence.append(
                f"Inputs are tiny: they range from {facts['min']:.3g} to "
                f"{facts['max']:.3g}."
            )
        if evidence:
            severity = "high" if size > 40 or size < 0.02 else "medium"
            remedies = _remedies.scale_inputs(facts)
            found.append(
                Finding(
                    "unnormalized_input",
                    facts["name"],
                    tuple(evidence),
                    severity,
                    remedies,
                )
            )
    return found


def _is_ids(case, facts):
    """Tell whether an input holds ids for an `Embedding`."""
    return facts.get("integer") and bool(case.holds("Embedding"))


def unnormalized_target(case):
    """Find regression targets that are too large or vary too little."""
    if not case.harm:
        return []
    found = []
    for output in case.outputs:
        target = output["target"]
        if output["task"] != "regression" or "std" not in target:
            continue
        size = max(abs(target["mean"]), target["std"])
        if size > 15 or 0 < target["std"] < 0.01:
            evidence = (
                f"Targets have mean {target['mean']:.4g} and standard deviation "
                f"{target['std']:.4g}, but an untrained network predicts values near 0."
            )
            severity = "high" if size > 50 or target["std"] < 0.01 else "medium"
            found.append(
                Finding(
                    "unnormalized_target",
                    output["name"],
                    (evidence,),
                    severity,
                    _remedies.scale_targets(),
                )
            )
    return found
