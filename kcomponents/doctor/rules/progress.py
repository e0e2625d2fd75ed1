"""Rules on progress: over-regularized, collapsed, slow, oscillating or none."""

import math

from kcomponents._text import quantity
from kcomponents.doctor import _remedies
from kcomponents.doctor.diagnosis import Finding

# The size of noise relative to the first inputs.
LARGE_NOISE = 1.5
# The change of a loss that stands still, relative to its size.
STANDS_STILL = 0.003
# In so few steps, hardly any model learns what it could.
FEW_STEPS = 20
# A divergence of the codes from their prior, in nats, that holds no information.
NO_CODE = 1e-3


def over_regularized(case):
    """Find dropout, noise, regularizers and constraints that are too strong."""
    if case.nonfinite or not case.trained:
        return []
    evidence, where, sure = [], "", False
    drops = {la["path"]: _dropout(la) for la in case.layers if _dropout(la) >= 0.6}
    strongest = max(drops.values(), default=0.0)
    if drops and (case.may_train_badly or strongest >= 0.8 and _holds_back(case)):
        where = next(iter(drops))
        evidence.append(f"Dropout of {strongest:.0%} in layer {where} is very strong.")
        sure = strongest >= 0.8
    for path, ratio in _noises(case).items():
        if ratio > LARGE_NOISE and (case.may_train_badly or _holds_back(case)):
            where, sure = path, True
            evidence.append(
                f"Layer {path} adds noise that is {ratio:.2g} times as large as the "
                "inputs."
            )
    if case.may_train_badly:
        more, of_layer, is_sure = _penalties(case)
        evidence, where, sure = evidence + more, where or of_layer, sure or is_sure
    if not evidence:
        return []
    severity = "high" if sure else "medium"
    remedies = _remedies.over_regularized(case)
    return [Finding("over_regularized", where, tuple(evidence), severity, remedies)]


def _holds_back(case):
    """Return whether training mode does much worse than inference, or is not good."""
    skill = case.worst_skill
    if skill is None:
        return True
    inference, training = skill.in_inference or 0.0, skill.in_training
    return inference < 0.85 or 0 < training < inference - 0.25


def _noises(case):
    """Return path → size of the noise of a layer, relative to the first inputs."""
    scales = [facts["std"] for facts in case.first_pass.values() if "std" in facts]
    if not scales or not scales[0]:
        return {}
    noises = [la for la in case.layers if la["class"] == "GaussianNoise"]
    return {la["path"]: la.get("stddev", 0.0) / scales[0] for la in noises}


def _penalties(case):
    """Return sentences on what else is too strong, the first layer, and if sure."""
    evidence, where, sure = [], "", False
    # The layers of other models are not in the order of their calls.
    chain = case.structure.get("model", {}).get("class") in (
        None,
        "Sequential",
        "Functional",
    )
    if chain and case.layers and case.layers[-1]["class"] == "Dropout":
        where, sure = case.layers[-1]["path"], True
        evidence.append(
            "The last layer is Dropout, so outputs themselves are set to 0."
        )
    if case.data.get("added_losses") and any(
        skill.at_chance and skill.is_constant for skill in case.skills
    ):
        sure = True
        evidence.append(
            "A layer adds a loss of its own, and the outputs are nearly the same for "
            "all samples: the added loss outweighs the error."
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
    return evidence, where, sure


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
    if not case.at_chance or case.nonfinite:
        return []
    skill = next(s for s in case.skills if s.at_chance)
    subject = "The model" if len(case.outputs) == 1 else f"The output {skill.name!r}"
    evidence = [f"{subject} {_score(case, skill)}."]
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


def collapsed_output(case):
    """Find outputs that fall on one point, whatever the inputs are."""
    if not case.unjudged or case.nonfinite:
        return []
    if found := _posterior_collapse(case):
        return found
    name = case.falls_on_one_point
    if name is None:
        return []
    spreads = case.relative_spreads(name)
    evidence = (
        f"The output {name!r} is nearly the same for all samples: it varies by "
        f"{spreads[-1]:.2g} of its size, and by {spreads[0]:.2g} before training.",
    )
    remedies = _remedies.collapsed_output()
    return [Finding("collapsed_output", name, evidence, "medium", remedies)]


def _posterior_collapse(case):
    """Find a variational autoencoder whose code is its prior for all samples."""
    for name, value in case.last_logs.items():
        if "kl" not in name.lower().split("_") or name.startswith("val_"):
            continue
        if len(case.losses) > 1 and 0 <= value < NO_CODE < case.losses[-1]:
            evidence = (
                f"The divergence {name} fell to {value:.2g}: the code says nothing of "
                "the inputs (posterior collapse), and the decoder gives the same for "
                "all.",
            )
            remedies = _remedies.posterior_collapse()
            return [Finding("collapsed_output", name, evidence, "high", remedies)]
    return []


def constant_loss(case):
    """Find a loss of the user's own that stands still from the first epoch on."""
    losses = case.losses
    if not case.unjudged or len(losses) < 3 or case.nonfinite or case.batches < 30:
        return []
    named = [name for name in case.last_logs if "loss" in name and "val" not in name]
    spread = max(losses) - min(losses)
    # A loss of 0 was never computed, or has nothing left to gain.
    if not losses[0] or len(named) > 1 or spread > STANDS_STILL * abs(losses[0]):
        return []
    evidence = (
        f"The loss stands still: it was {losses[0]:.4g} in the first epoch and is "
        f"{losses[-1]:.4g} in the last.",
    )
    remedies = _remedies.not_learning()
    return [Finding("not_learning", "", evidence, "medium", remedies)]


def slow_learning(case):
    """Find a run that stopped while the model was still improving."""
    few = 0 < case.batches < FEW_STEPS and not case.nonfinite
    if case.unjudged and case.outputs and few:
        evidence = (f"Training made only {quantity(case.batches, 'step')}.",)
        remedies = _remedies.slow_learning(case)
        return [Finding("slow_learning", "", evidence, "low", remedies)]
    if not (case.at_chance or case.underfits) or case.nonfinite:
        return []
    skill = case.worst_skill
    if not skill.improving and case.steps >= 300:
        return []
    still = " while still improving" if skill.improving else ""
    evidence = (
        f"Training stopped after {quantity(case.steps, 'step')}{still} "
        f"({_progress(skill)}).",
    )
    remedies = _remedies.slow_learning(case)
    return [Finding("slow_learning", skill.name, evidence, "low", remedies)]


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
    severity, remedies = "medium" if narrow else "low", _remedies.underfitting(case)
    return [Finding("underfitting", skill.name, tuple(evidence), severity, remedies)]


def _progress(skill):
    """Return how far a model got, beside what simple models reach."""
    done = f"{max(skill.final, 0):.0%} of the way from a constant prediction to zero"
    goal = f"; simple models reach {skill.reachable:.0%}" if skill.reachable else ""
    return f"{done} error{goal}"


def _narrowest(case):
    """Return path and units of the narrowest hidden layer, infinite without one."""
    outputs = {output["name"] for output in case.outputs}
    wide = [la for la in case.layers if la.get("units") or la.get("filters")]
    hidden = [la for la in wide[:-1] if la["path"] not in outputs]
    sizes = [(la["path"], int(la.get("units") or la.get("filters"))) for la in hidden]
    return min(sizes, key=lambda item: item[1], default=("", math.inf))
