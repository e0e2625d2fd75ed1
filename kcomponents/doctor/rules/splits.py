"""Rules on rows and positions: their order, their split, what gives targets away."""

from kcomponents.doctor import _remedies
from kcomponents.doctor._thresholds import (
    FEWEST_INPUTS,
    LEAKAGE,
    SCALE_RATIO,
    class_shift,
    on_another_scale,
)
from kcomponents.doctor.diagnosis import Finding

SPLIT = "data_split_problem"
# The share of what targets vary that lies between batches, and not within them.
BETWEEN_BATCHES = 0.5
# The share of an output that changes with later positions, if it is not by chance.
SEEN_LATER = 0.01
# The gap to validation data with which a smaller ratio of scales is a finding.
GAP_OF_SCALES, RATIO_WITH_GAP = 0.3, 4
# Samples for each class, and shares of classes that are missing by an accident: fewer
# may be rare, and many more belong to a head that was made for other data.
ROWS_OF_CLASS, FEW_MISSING, MANY_MISSING = 10, 0.2, 0.6
# Integers with more values are rather ids or quantities than classes.
MOST_CLASSES = 100
# The gain in recall that shows that classes are numbered in another way.
BETTER_RENUMBERED = 0.3


def sorted_batches(case):
    """Find samples that are sorted by label and not shuffled."""
    streamed = case.data.get("streamed")
    if case.fit.get("shuffle") and not streamed:
        return []
    share, skill = case.data.get("of_batches") or 0.0, case.worst_skill
    rows = case.data.get("sampled")
    if streamed and _single_class(case):
        evidence = (
            f"All {rows:,} samples that were looked at in the first epoch belong to "
            "one class."
        )
    elif share < BETWEEN_BATCHES:
        return []
    elif streamed:
        evidence = (
            f"Samples come in the order of their labels: {share:.0%} of what targets "
            f"vary in {rows:,} samples of the first epoch lies between batches, so "
            "most batches hold few classes. `fit` does not shuffle a dataset or "
            "generator."
        )
    else:
        evidence = (
            f"Samples are sorted by label: {share:.0%} of what targets vary lies "
            "between batches, and with `shuffle=False` most batches hold few classes."
        )
    if skill is None and not _labels_are_classes(case):
        return []
    if skill is not None and not skill.classifies:
        return []
    well = skill is not None and skill.final > 0.8 and (case.gap or 0.0) < 0.2
    if case.trained and well and not streamed:
        return []
    remedies = _remedies.sorted_batches(case)
    harmed = case.trained and skill is not None and not well
    severity = "high" if harmed else "medium"
    return [Finding(SPLIT, "shuffle", (evidence,), severity, remedies)]


def _labels_are_classes(case):
    """Return whether targets of a loss of the user's own look like classes."""
    targets = [output["target"] for output in case.outputs]
    return any(
        2 <= len(t.get("values") or ()) <= MOST_CLASSES and t["shape"] in ([], [1])
        for t in targets
    )


def _single_class(case):
    for output in case.outputs:
        target = output["target"]
        if output["task"] in ("sparse", "binary") and target.get("rows", 0) >= 100:
            if target.get("std") == 0:
                return True
    return False


def telling_columns(case):
    """Find columns of the inputs that give the class away."""
    for output in case.outputs:
        columns = [c for found in output.get("telling_columns") or [] for c in found]
        rows = case.data.get("sampled") or 0
        if columns and rows >= 80:
            listed = ", ".join(map(str, columns[:5]))
            evidence = (
                f"Columns of the inputs that give the class away: {listed}. In each "
                "class they have one value, another than in all other classes.",
            )
            remedies = _remedies.telling_columns(columns)
            return [Finding(SPLIT, "inputs", evidence, "high", remedies)]
    return []


def missing_classes(case):
    """Find classes that the output has and training data lack."""
    rows = case.data.get("rows") or 0
    if case.data.get("streamed") or rows > (case.data.get("sampled") or 0):
        # Those that are missing may be among the others.
        return []
    for output in case.outputs:
        if output["task"] not in ("sparse", "categorical"):
            continue
        units, known = output["units"], _counts(output["target"])
        seen = sum(count > 0 for count in known.values())
        missing = units - seen
        if not known or rows < ROWS_OF_CLASS * units or seen < 2:
            continue
        if missing >= 2 and FEW_MISSING < missing / units < MANY_MISSING:
            evidence = (
                f"{missing} of the {units} classes of the output never occur in the "
                "training data.",
            )
            remedies = _remedies.missing_classes()
            where = output["name"]
            return [Finding(SPLIT, where, evidence, "medium", remedies)]
    return []


def future_leak(case):
    """Find outputs that depend on the later values that are their targets."""
    for output in case.outputs:
        share = output.get("sees_later") or 0.0
        if share > SEEN_LATER:
            evidence = (
                "The targets are the next values of the inputs, and the model sees "
                f"them: {share:.0%} of the output {output['name']!r} changes with "
                "later positions of the inputs.",
            )
            remedies = _remedies.future_leak(case)
            return [Finding("future_leak", output["name"], evidence, "high", remedies)]
    return []


def data_split_problem(case):
    """Find validation data that differs from the training data or repeats it."""
    other = case.data.get("validation")
    if not other or not case.inputs:
        return []
    checks = _other_classes, _other_scale, _other_range, _leakage, _other_numbers
    evidence = [text for check in checks if (text := check(case, other))]
    if not evidence:
        return []
    remedies = _remedies.data_split_problem()
    if len(evidence) == 1 and evidence[0] == _other_numbers(case, other):
        remedies = _remedies.unlike_numbers()
    return [Finding(SPLIT, "validation_data", tuple(evidence), "high", remedies)]


def _other_classes(case, other):
    for output, target in zip(case.outputs, other.get("outputs") or [], strict=False):
        training, validation = _counts(output["target"]), _counts(target)
        if not training or not validation:
            continue
        if output["task"] in ("regression", "unknown"):
            continue
        if len(training) == 1 and len(validation) > 1 and not case.data.get("streamed"):
            return (
                "All training samples belong to one class, and the validation samples "
                f"to {len(validation)}."
            )
        if case.data.get("streamed"):
            # These are only some of all samples.
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
        apart = case.gap is not None and case.gap > GAP_OF_SCALES
        ratio = RATIO_WITH_GAP if apart else SCALE_RATIO
        if on_another_scale(train, valid, ratio):
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
    distinct, rows = (case.inputs[0].get(key, 0) for key in ("distinct", "rows"))
    # Where samples repeat within the training data, new ones repeat them as well.
    repeated = 1 - distinct / rows if rows else 1.0
    few = distinct < 0.5 * rows or distinct < 20
    if share > LEAKAGE + 1.2 * repeated and not few:
        return f"{share:.0%} of the validation samples are also in the training data."
    return None


def _other_numbers(case, other):
    """Find validation classes that are numbered in another way."""
    scores = case.data.get("validation_scores") or {}
    right, renumbered = scores.get("recall"), scores.get("renumbered")
    if right is None or renumbered is None or renumbered < right + BETTER_RENUMBERED:
        return None
    return (
        f"The model finds {right:.0%} of the validation samples of a class, and "
        f"{renumbered:.0%} if its classes are renumbered: the validation labels are "
        "numbered in another way than those of the training data."
    )
