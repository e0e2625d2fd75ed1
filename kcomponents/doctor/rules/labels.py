"""Rules on targets: labels, their scale, their classes, and what they say."""

import math

from kcomponents._scoring.scores import BINARY, CATEGORICAL, SPARSE
from kcomponents._text import quantity
from kcomponents.doctor import _remedies
from kcomponents.doctor._skill import CHANCE
from kcomponents.doctor._thresholds import CONTRADICTIONS, target_severity
from kcomponents.doctor.diagnosis import Finding
from kcomponents.doctor.rules.learning_rate import learning_rate_too_low
from kcomponents.doctor.rules.splits import data_split_problem

LABELS, TARGET = "label_problem", "unnormalized_target"
EMPTY, IMBALANCE = "uninformative_labels", "class_imbalance"
# With fewer samples, simple models say little.
FEWEST = 80
# The share of a loss that depends on which targets belong to which inputs.
GAIN_OF_PAIRS = 0.1
# A skill on the training data that chance and learning by heart explain.
LITTLE = 0.5
# Kernels that moved by less than this share of their size have hardly been trained.
TRAINED = 0.05
# Simple models with less skill than this, and that explain less of the variance, have
# learned nothing.
NOTHING, NO_SIGNAL = 0.08, 0.04
# Standard errors that the best of three simple models reaches by chance.
ERRORS = 1.5
# The skill of simple models on the targets of the other of two outputs.
SWAPPED = 0.3
# The highest skill on validation data, as a share of that on training data, of a model
# that learns labels by heart; up to the second, only if simple models learn nothing.
NEVER, HARDLY = 0.25, 0.5
# The skill of a model in its first epoch that is none, with at least so many steps.
AT_FIRST, STEPS_AT_FIRST = 0.05, 30
# The skill on the samples that simple models are surest of, where labels are right, and
# how much more than simple models a network of wrong labels can reach.
SURE, MORE = 0.6, 0.2
# Shares of padding among the positions that count, and of samples in one class.
MUCH_PADDING, MOST = 0.3, 0.8
# A class with this share of the samples, and with weights this share of the loss.
FREQUENT, GIVEN_UP = 0.2, 0.05


def label_problem(case):
    """Find labels that are out of range, all the same, or NaN."""
    found = []
    # Of a stream, these are only some of the samples.
    checks = (
        _nonfinite,
        _out_of_range,
        *([] if case.data.get("streamed") else [_constant]),
    )
    for output in case.outputs:
        target = output["target"]
        if "std" not in target:
            continue
        for check in checks:
            if evidence := check(output, target):
                remedies = _remedies.label_problem(output)
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
    # Outputs of no layer with a bias, such as products of pairs, cannot be constant.
    biased = output["activation"] is not None
    if target.get("one_hot") and constant and all(constant) and biased:
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


def swapped_targets(case):
    """Find two outputs of which each has the targets of the other."""
    found = case.data.get("swapped")
    if not found or found["own"] > CHANCE or found["other"] < SWAPPED:
        return []
    first, second = found["outputs"]
    evidence = (
        f"The targets of {first!r} and {second!r} seem to be swapped: from the inputs "
        "that an output depends on, simple models get at least "
        f"{found['other']:.0%} of the way to zero error on the targets of the other "
        f"one, and {max(found['own'], 0):.0%} on its own.",
    )
    remedies = _remedies.swapped_targets(first, second)
    return [Finding(LABELS, first, evidence, "high", remedies)]


def contradictory_labels(case):
    """Find equal inputs with different labels."""
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
    return []


def wrong_labels(case):
    """Find labels that are wrong even where they are easy to predict."""
    if not case.trained or case.nonfinite or case.at_chance:
        return []
    if data_split_problem(case):
        # Validation data of another kind say nothing of the labels.
        return []
    for skill in case.skills:
        simple = skill.output.get("reachable") or {}
        best, surest = simple.get("best", 0.0), simple.get("surest", 1.0)
        sampled = case.data.get("sampled") or 0
        # A quarter of the samples that were held out, at even odds.
        error = 0.5 / math.sqrt(max(0.075 * min(sampled, 1000), 1.0))
        error /= max(1 - (skill.output.get("baseline_accuracy") or 0.0), 1e-9)
        if surest > SURE - 2 * error or best < CHANCE or sampled < 250:
            continue
        new = skill.in_validation[-1:] or [skill.final]
        easier = new[0] > skill.final + MORE
        if new[0] > best + MORE and not easier:
            # The network sees more in the inputs than simple models do.
            continue
        evidence = [
            "Even on the samples that simple models are surest of, they get only "
            f"{surest:.0%} of the way from a constant prediction to zero error: many "
            "labels seem to be wrong at random, or the inputs say little about them."
        ]
        if easier:
            evidence.append(
                f"The model got {new[0]:.0%} of the way to zero error on the "
                f"validation data and {skill.final:.0%} on the training data, so the "
                "labels of the training data are worse."
            )
        remedies = _remedies.wrong_labels(skill.output)
        by_heart = skill.final > new[0] + MORE
        severity = "medium" if easier or by_heart else "low"
        return [Finding(LABELS, skill.name, tuple(evidence), severity, remedies)]
    return []


def uninformative_labels(case):
    """Find labels that say nothing about inputs the model has not seen."""
    checks = _never_valid, _unrelated, _by_heart, _unpaired
    return next((found for check in checks if (found := check(case))), [])


def _unrelated(case):
    """Find labels that neither the model nor simple models can predict."""
    skill = case.worst_skill
    if skill is None or not _is_unpredictable(case, skill):
        return []
    if not case.at_chance:
        return _learned_in_vain(case, skill)
    evidence = (
        "Inputs and labels seem unrelated: neither the model nor linear models nor "
        "nearest neighbors do better than a constant prediction."
    )
    remedies = _remedies.contradictory_labels()
    return [Finding(LABELS, skill.name, (evidence,), "medium", remedies)]


def _is_unpredictable(case, skill):
    """Return whether simple models learn nothing from enough samples."""
    simple = skill.output.get("reachable")
    sampled = case.data.get("sampled") or 0
    if not simple or sampled < FEWEST:
        return False
    # Accuracy says little about rare classes, and about few samples.
    signal = simple.get("signal", simple["best"])
    nothing, held_out = NOTHING, 0.3 * min(sampled, 1000)
    if signal == 0:
        nothing = max(nothing, ERRORS * skill.standard_error(held_out))
    return simple["best"] < nothing and signal < NO_SIGNAL


def _learned_in_vain(case, skill):
    """Find a little skill that never shows on validation data."""
    validation = skill.in_validation
    little = 0 <= skill.final < LITTLE
    if len(validation) < 2 or not little or max(validation) > CHANCE:
        return []
    evidence = (
        f"The model got {skill.final:.0%} of the way to zero error on the training "
        f"data and at most {max(max(validation), 0):.0%} on the validation data, and "
        "simple models learn nothing: inputs and labels seem unrelated.",
    )
    return _says_nothing(skill.name, evidence, "medium")


def _never_valid(case):
    """Find a model that learns by heart, and little that holds on validation data."""
    if len(case.outputs) != 1 or not case.skills or case.nonfinite:
        return []
    [skill] = case.skills
    validation = skill.in_validation
    learned = skill.in_inference or 0.0
    share = HARDLY if _is_unpredictable(case, skill) else NEVER
    if len(validation) < 2 or not learned > 0.3 or max(validation) > share * learned:
        return []
    seen = (
        f"The model got {learned:.0%} of the way to zero error on the training "
        f"data, but never more than {max(max(validation), 0):.0%} on the validation "
        "data"
    )
    if max(validation) <= NEVER * learned:
        evidence = (
            f"{seen}: it learns labels by heart that say nothing about new inputs."
        )
        return _says_nothing(skill.name, (evidence,), "high")
    evidence = (
        f"{seen}, and simple models learn nothing: many labels seem to be wrong, or "
        "there are too few samples to learn more."
    )
    return _says_nothing(skill.name, (evidence,), "medium")


def _by_heart(case):
    """Find a model without validation data that only knows samples it has seen."""
    if len(case.outputs) != 1 or not case.skills or case.nonfinite or case.val_losses:
        return []
    [skill] = case.skills
    at_first, learned = skill.in_first_epoch, skill.in_inference or 0.0
    steps = case.fit.get("steps") or 0
    if at_first is None or steps < STEPS_AT_FIRST or not _is_unpredictable(case, skill):
        return []
    if at_first > AT_FIRST or learned < LITTLE:
        return []
    evidence = (
        "In the first epoch, when all samples were new, the model did no better than a "
        f"constant prediction. It got {learned:.0%} of the way to zero error on "
        "samples that it had seen before, and simple models learn nothing: the labels "
        "seem to say nothing about new inputs.",
    )
    return _says_nothing(skill.name, evidence, "medium")


def _unpaired(case):
    """Find a loss of the user's own that does not depend on the pairs."""
    pairs = case.data.get("pairing") or {}
    guessed = any(output.get("guessed") for output in case.outputs)
    if not (case.unjudged or guessed) or not pairs:
        return []
    moved = max(case.movement.values(), default=1.0)
    untrained = moved < TRAINED or learning_rate_too_low(case)
    if untrained or case.nonfinite or case.falls_on_one_point:
        # That is the cause.
        return []
    name = "validation" if "validation" in pairs else "training"
    loss, permuted = pairs[name]
    gain = (permuted - loss) / max(abs(permuted), 1e-12)
    if gain > GAIN_OF_PAIRS or abs(gain) < 1e-6:
        # Such a loss may not depend on the targets at all.
        return []
    if case.unjudged and case.loss_fell(0.5):
        # The pairs may be a small part of the loss, as data in a loss of physics.
        return []
    evidence = [
        f"The loss of the {name} data is {loss:.3g}, and {permuted:.3g} if the targets "
        "are given to other samples: the model has learned nothing about which belongs "
        "to which."
    ]
    learned = pairs.get("training")
    if name == "validation" and learned and learned[1] > 1.1 * abs(learned[0]):
        evidence.append("On the training data it has: it learned them by heart.")
    return _says_nothing("", tuple(evidence), "medium")


def _says_nothing(where, evidence, severity):
    remedies = _remedies.uninformative_labels()
    return [Finding(EMPTY, where, evidence, severity, remedies)]


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


def mask_missing(case):
    """Find padding that counts in the loss, where it hides the real positions."""
    for skill in case.skills if case.trained else ():
        share = skill.output.get("padding") or 0.0
        if share < MUCH_PADDING or skill.output["task"] != "sparse":
            continue
        recalls = case.last("sample_recall").get(skill.name) or [1.0]
        if not (case.trains_badly or min(recalls) < 0.3):
            continue
        evidence = (
            f"{share:.0%} of the positions are padding and count in the loss and in "
            "the accuracy, so predicting the padding looks like progress."
        )
        remedies = _remedies.mask_missing(case)
        return [Finding("mask_missing", skill.name, (evidence,), "high", remedies)]
    return []


def class_imbalance(case):
    """Find a class that is hardly ever recognized, as others count for far more."""
    for skill in case.skills if case.trained else ():
        recalls = case.last("sample_recall").get(skill.name)
        if not recalls or len(recalls) < 2 or skill.output["task"] == "multilabel":
            continue
        finding = _overdone_weights(case, skill, recalls) or _rare_class(
            case, skill, recalls
        )
        if finding:
            return [finding]
    return []


def _shares(output):
    """Return the share of each class, in order, or an empty list."""
    target = output["target"]
    if target.get("one_hot"):
        return [share for share in target["column_mean"] if share > 0]
    counts = target.get("counts") or []
    return [count / sum(counts) for count in counts]


def _overdone_weights(case, skill, recalls):
    """Find a frequent class that counts for nothing beside the weights of others."""
    shares, weights = _shares(skill.output), skill.output.get("class_weights")
    if not weights or len(weights) != len(shares) or len(recalls) != len(shares):
        return None
    total = sum(s * w for s, w in zip(shares, weights, strict=True)) or 1.0
    for share, weight, recall in zip(shares, weights, recalls, strict=True):
        counted = share * weight / total
        if share >= FREQUENT and counted < GIVEN_UP and recall < 0.9:
            evidence = (
                f"With the class weights, a class with {share:.0%} of the samples "
                f"makes up {counted:.1%} of the loss: its recall is {recall:.0%}."
            )
            remedies = _remedies.balanced_weights()
            return Finding(IMBALANCE, skill.name, (evidence,), "high", remedies)
    return None


def _rare_class(case, skill, recalls):
    """Find a class so rare that it is hardly ever recognized."""
    shares = _shares(skill.output)
    weights = skill.output.get("class_weights") or [1.0] * len(shares)
    if len(shares) != len(recalls) or len(weights) != len(shares):
        return None
    counted = [s * w for s, w in zip(shares, weights, strict=True)]
    base = max(counted) / (sum(counted) or 1.0)
    frequent = counted.index(max(counted))
    rare = [n for n in range(len(shares)) if n != frequent]
    worst = min(rare, key=lambda n: recalls[n])
    # A recall of 5 to 20 % counts only if little else has been learned.
    low = recalls[worst] <= (0.2 if skill.final < 0.3 else 0.05)
    missed = low and skill.final < 0.6
    if base < MOST or not missed or recalls[frequent] < 0.95:
        return None
    evidence = (
        f"Classes are imbalanced: {shares[frequent]:.0%} of the samples belong to one, "
        f"and another, with {shares[worst]:.1%} of them, has a recall of "
        f"{recalls[worst]:.0%}."
    )
    severity = "high" if base >= 0.88 else "medium"
    remedies = _remedies.class_imbalance(skill.output)
    return Finding(IMBALANCE, skill.name, (evidence,), severity, remedies)
