"""Rules on labels, and on how they were split."""

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data
from kcomponents.doctor._scores import BINARY, CATEGORICAL, SPARSE

LABELS, SPLIT = "label_problem", "data_split_problem"


def label_problem(case):
    """Find labels that no output can give, or that hold nothing to learn."""
    found = []
    for output in case.outputs:
        target = output["target"]
        if "std" not in target:
            continue
        for check in (_not_numbers, _of_one_kind, _out_of_range):
            told = check(output, target)
            if told:
                wanted = _for_data.labels(output)
                found.append(Finding(LABELS, output["name"], (told,), "high", wanted))
                break
    return found


def _not_numbers(output, target):
    if target.get("nonfinite"):
        return f"{target['nonfinite']} targets are NaN or infinite."
    return None


def _of_one_kind(output, target):
    if target["std"] == 0 and target["rows"] > 1 and output["task"] != "unknown":
        return f"All targets are the same: {target['min']:.4g}."
    still = [s == 0 for s in target.get("column_std", [])]
    if target.get("one_hot") and still and all(still):
        return "All targets are of one and the same class."
    return None


def _out_of_range(output, target):
    units = output["units"]
    if output["loss"] in SPARSE and (target["max"] >= units or target["min"] < 0):
        return (
            f"Labels go from {target['min']:.0f} to {target['max']:.0f}, but the "
            f"output has {units} units, for labels 0 to {units - 1}."
        )
    if output["loss"] in CATEGORICAL and target.get("row_sum_min", 1) < 0.5:
        return (
            "CategoricalCrossentropy expects one class a row, but some rows of the "
            f"targets sum to {target['row_sum_min']:.3g}."
        )
    if output["loss"] in BINARY and (target["max"] > 1 or target["min"] < 0):
        return (
            f"BinaryCrossentropy takes targets from 0 to 1, but they go from "
            f"{target['min']:.4g} to {target['max']:.4g}."
        )
    return None


def contradictory_labels(case):
    """Find equal inputs with different labels, and labels that belong to other rows."""
    if not case.fails:
        return []
    for output in case.outputs:
        share = output.get("contradictions") or 0.0
        if share > 0.2:
            told = (
                f"{share:.0%} of the rows have an input that occurs with other labels."
            )
            wanted = _for_data.labels(output)
            return [Finding(LABELS, output["name"], (told,), "high", wanted)]
    skill = case.worst
    known = skill and skill.output.get("reachable")
    wide = [len(i["shape"]) for i in case.inputs]
    rows = case.data.get("sampled") or 0
    # Of sequences, and of rare classes, simple models tell little.
    rare = (skill.output.get("baseline_accuracy") or 0.0) > 0.85 if skill else True
    plain = max(wide, default=9) != 2 and not rare
    if known and known["best"] < 0.08 and rows >= 80 and plain:
        told = (
            "Inputs and labels do not seem to belong together: neither the net nor "
            "linear models nor nearest neighbors do better than a constant."
        )
        wanted = _for_data.labels(skill.output)
        return [Finding(LABELS, skill.name, (told,), "medium", wanted)]
    return []


def sorted_batches(case):
    """Find rows that are sorted by their labels and are never shuffled."""
    skill, alike = case.worst, case.data.get("sorted") or 0.0
    size, rows = case.fit.get("batch_size"), case.data.get("rows") or 0
    if not case.harm or not skill or not skill.classifies or case.fit.get("shuffle"):
        return []
    if alike < 0.9 or not size or rows < 2 * size:
        return []
    told = (
        f"Rows are sorted by label ({alike:.0%} have that of the row before), and with "
        "`shuffle=False` each batch is of one class."
    )
    return [Finding(SPLIT, "shuffle", (told,), "high", _for_data.split())]


def data_split_problem(case):
    """Find validation data that is of another kind than the training data, or in it."""
    other = case.data.get("validation")
    if not other or not case.inputs:
        return []
    checks = _other_classes, _other_scale, _other_range, _the_same_rows
    told = [text for check in checks if (text := check(case, other))]
    if not told:
        return []
    return [Finding(SPLIT, "validation_data", tuple(told), "high", _for_data.split())]


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
                f"The classes of the validation data are not those of the training "
                f"data: {far:.0%} of the labels would have to be others, and "
                f"{new:.0%} belong to classes that training never sees."
            )
    return None


def _shares(target):
    """Return label → share of the rows."""
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
                f"Inputs of the validation data have mean {valid['mean']:.3g} and "
                f"standard deviation {valid['std']:.3g}, those of the training data "
                f"{train['mean']:.3g} and {train['std']:.3g}."
            )
    return None


def _other_range(case, other):
    """Tell rows that lie where training has none, as of data that were sorted."""
    if case.gap is None or case.gap < 0.15:
        return None
    share, what = max(
        (other.get("outside") or 0.0, "inputs"),
        (other.get("targets_outside") or 0.0, "targets"),
    )
    if share > 0.5:
        return f"{share:.0%} of the {what} for validation lie where training has none."
    return None


def _the_same_rows(case, other):
    share = other.get("in_training") or 0.0
    distinct = case.inputs[0].get("distinct", 0)
    few = distinct < 0.5 * case.inputs[0].get("rows", 0) or distinct < 20
    if share > 0.2 and not few:
        return f"{share:.0%} of the rows of the validation data are training rows."
    return None
