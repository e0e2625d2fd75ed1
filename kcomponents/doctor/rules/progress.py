"""Rules on progress: over-regularized, imbalanced, slow, oscillating or none."""

import math

from kcomponents._text import quantity
from kcomponents.doctor import _remedies
from kcomponents.doctor.diagnosis import Finding


def over_regularized(case):
    """Find dropout, regularizers and constraints that are too strong."""
    if not case.trains_badly or case.nonfinite:
        return []
    evidence, where, sure = [], "", False
    drops = {la["path"]: _dropout(la) for la in case.layers if _dropout(la) >= 0.6}
    if drops:
        where, rate = next(iter(drops)), max(drops.values())
        evidence.append(f"Dropout of {rate:.0%} in layer {where} is very strong.")
        sure = rate >= 0.8
    if case.layers and case.layers[-1]["class"] == "Dropout":
        where, sure = case.layers[-1]["path"], True
        evidence.append(
            "The last layer is Dropout, so outputs themselves are set to 0."
        )
    share = _regularization_share(case)
    if share is not None and share > 0.4:
        evidence.append(f"Regularization makes up {share:.0%} of the loss.")
        sure = True
    strong = [la for la in case.layers if _strength(la) >= 0.01]
    if strong and (share is None or share <= 0.4):
        where = where or strong[0]["path"]
        evidence.append(
            f"The regularizer of layer {strong[0]['path']} is strong: "
            f"{_strength(strong[0]):.3g}."
        )
        sure = sure or _strength(strong[0]) >= 0.1
    tight = [la for la in case.layers if _bound(la) < 0.5]
    if tight:
        where = where or tight[0]["path"]
        evidence.append(
            f"A constraint keeps the weight norms of layer {tight[0]['path']} below "
            f"{_bound(tight[0]):.3g}."
        )
        sure = True
    if not evidence:
        return []
    severity = "high" if sure else "medium"
    remedies = _remedies.over_regularized()
    return [Finding("over_regularized", where, tuple(evidence), severity, remedies)]


def _dropout(layer):
    """Return the dropout rate of a dropout layer or a recurrent layer, 0 for others."""
    if "Dropout" in layer["class"] or layer.get("dropout"):
        return layer.get("rate") or layer.get("dropout") or 0.0
    return 0.0


def _strength(layer):
    """Return the largest strength among the regularizers of a layer."""
    found = [0.0]
    for name, rule in layer.items():
        if name.endswith("_regularizer") and isinstance(rule, dict):
            config = rule.get("config") or {}
            found += [v for v in config.values() if isinstance(v, float | int)]
    return max(found)


def _bound(layer):
    """Return the smallest maximum norm among the constraints of a layer."""
    found = [math.inf]
    for name, rule in layer.items():
        if name.endswith("_constraint") and isinstance(rule, dict):
            bound = (rule.get("config") or {}).get("max_value")
            found += [bound] if isinstance(bound, float | int) else []
    return min(found)


def _regularization_share(case):
    """Return the share of the loss that is regularization, None if unknown."""
    strong = any(_strength(layer) > 0 for layer in case.layers)
    loss = case.last("sample_loss")
    if not strong or len(loss) != 1 or not case.losses or not case.losses[-1]:
        return None
    [value] = loss.values()
    return 1 - value / case.losses[-1]


def class_imbalance(case):
    """Find a class so rare that it is hardly ever recognized."""
    for skill in case.skills if case.trained else ():
        base = skill.output.get("baseline_accuracy")
        recalls = case.last("sample_recall").get(skill.name)
        if not base or not recalls or skill.output["task"] == "multilabel":
            continue
        rare = base >= 0.8 and len(recalls) > 1
        # A recall of 5 to 20 % counts only if little else has been learned.
        low = min(recalls) <= (0.2 if skill.final < 0.3 else 0.05)
        missed = low and skill.final < 0.6
        if rare and missed and max(recalls) >= 0.95:
            evidence = (
                f"Classes are imbalanced: {base:.0%} of the samples belong to one, and "
                f"another has a recall of {min(recalls):.0%}."
            )
            remedies = _remedies.class_imbalance()
            severity = "high" if base >= 0.88 else "medium"
            return [
                Finding("class_imbalance", skill.name, (evidence,), severity, remedies)
            ]
    return []


def oscillating_loss(case):
    """Find a loss that zigzags and makes no progress."""
    losses = case.losses
    if not case.trains_badly or len(losses) < 6 or not all(map(math.isfinite, losses)):
        return []
    tail = losses[len(losses) // 3 :]
    moves = [b - a for a, b in zip(tail, tail[1:], strict=False)]
    turns = sum(a * b < 0 for a, b in zip(moves, moves[1:], strict=False))
    mean = sum(tail) / len(tail)
    size = sum(map(abs, moves)) / len(moves) / (abs(mean) or 1.0)
    if turns < 0.4 * max(len(moves) - 1, 1) or size < 0.08:
        return []
    evidence = (
        f"The loss zigzags: it changes by {size:.0%} per epoch and reversed direction "
        f"in {turns} of {len(moves) - 1} epochs."
    )
    severity = "medium" if size > 0.15 else "low"
    remedies = _remedies.oscillating_loss(case)
    return [Finding("oscillating_loss", "", (evidence,), severity, remedies)]


def not_learning(case):
    """Find a model that is no better than a constant prediction."""
    parameters = case.structure.get("variables") or []
    if parameters and not any(v["trainable"] for v in parameters):
        frozen = ("None of the model's weights is trainable.",)
        remedies = _remedies.frozen_weights()
        return [Finding("not_learning", "", frozen, "high", remedies)]
    if not case.at_chance or case.nonfinite:
        return []
    skill = next(s for s in case.skills if s.at_chance)
    evidence = [f"The output {skill.name!r} {_score(case, skill)}."]
    spread = case.last("sample_spread").get(skill.name)
    deviation = skill.output["target"].get("std") or 1.0
    if spread is not None and spread < 0.01 * deviation:
        evidence.append("It predicts nearly the same for every sample.")
    remedies = _remedies.not_learning()
    return [Finding("not_learning", skill.name, tuple(evidence), "low", remedies)]


def _score(case, skill):
    """Return the score of an output, beside that of a constant prediction."""
    accuracy = case.last("sample_accuracy").get(skill.name)
    base = skill.output.get("baseline_accuracy")
    if accuracy is not None and base is not None:
        return (
            f"is right for {accuracy:.1%} of the training samples; always predicting "
            f"the most frequent class gives {base:.1%}"
        )
    error = case.last("sample_error").get(skill.name)
    if error is None:
        return "is no better than a constant prediction"
    return (
        f"has a squared error of {error:.3g} times the targets' variance; always "
        "predicting their mean gives 1"
    )


def slow_learning(case):
    """Find a run that stopped while the model was still improving."""
    if not (case.at_chance or case.underfits) or case.nonfinite:
        return []
    skill = case.worst_skill
    if not skill.improving and case.steps >= 300:
        return []
    still = " while still improving" if skill.improving else ""
    evidence = (
        f"Training stopped after {quantity(case.steps, 'step')}{still} "
        f"({_progress(skill)})."
    )
    remedies = _remedies.slow_learning(case)
    return [Finding("slow_learning", skill.name, (evidence,), "low", remedies)]


def underfitting(case):
    """Find a model that stopped improving far behind simple models."""
    if not (case.underfits or case.at_chance) or case.nonfinite:
        return []
    skill, (path, units) = case.worst_skill, _narrowest(case)
    narrow = units <= 3
    if skill.improving and not narrow:
        return []
    evidence = [f"The model got only {_progress(skill)}."]
    if narrow:
        evidence.append(f"Layer {path} has only {quantity(units, 'unit')}.")
    severity, remedies = "medium" if narrow else "low", _remedies.underfitting()
    return [Finding("underfitting", skill.name, tuple(evidence), severity, remedies)]


def _progress(skill):
    """Return how far a model got, beside what simple models reach."""
    done = f"{max(skill.final, 0):.0%} of the way from a constant prediction to zero"
    goal = f"; simple models reach {skill.reachable:.0%}" if skill.reachable else ""
    return f"{done} error{goal}"


def _narrowest(case):
    """Return path and units of the narrowest hidden layer, infinite without one."""
    hidden = [la for la in case.layers if la.get("units") or la.get("filters")][:-1]
    sizes = [(la["path"], int(la.get("units") or la.get("filters"))) for la in hidden]
    return min(sizes, key=lambda item: item[1], default=("", math.inf))


def overfitting(case):
    """Find a validation error that keeps rising or is far above the training error."""
    losses = case.val_losses
    if len(losses) < 3 or case.nonfinite or not all(map(math.isfinite, losses)):
        return []
    best = min(losses)
    since = len(losses) - 1 - losses.index(best)
    rose = losses[-1] / best if best > 0 else 1.0
    rises = rose > 1.3 and since >= max(3, len(losses) // 5)
    gap = case.gap
    if gap is None:
        apart = losses[-1] / case.losses[-1] if case.losses[-1] > 0 else 1.0
        overfits = rose > 1.5 and apart > 3 and since >= 3
    else:
        overfits = gap > 0.35 or (gap > 0.2 and rises)
    if not overfits:
        return []
    evidence = [
        f"The validation loss is {losses[-1]:.3g}, the training loss "
        f"{case.losses[-1]:.3g}.",
        f"The validation loss was lowest in epoch {losses.index(best) + 1}, at "
        f"{best:.3g}.",
    ]
    if gap is not None:
        evidence.append(
            f"{gap:.0%} of the improvement over a constant prediction is lost on "
            "validation data."
        )
    remedies = _remedies.overfitting()
    return [Finding("overfitting", "", tuple(evidence), "high", remedies)]
