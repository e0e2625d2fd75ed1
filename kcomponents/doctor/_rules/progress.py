"""Rules on how learning goes: not at all, slowly, up and down, held down."""

import math

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data, _for_nets, _for_steps


def over_regularized(case):
    """Find penalties and dropout that leave nothing to learn with."""
    if not case.harm or case.nonfinite:
        return []
    told, where, sure = [], "", False
    drops = [
        la for la in case.layers if (la.get("rate") or la.get("dropout") or 0) >= 0.6
    ]
    drops = [la for la in drops if "Dropout" in la["class"] or la.get("dropout")]
    if drops:
        rate = max(la.get("rate") or la.get("dropout") for la in drops)
        where = drops[0]["path"]
        told.append(f"Dropout takes away {rate:.0%} of what {where} passes on.")
        sure = rate >= 0.8
    if case.layers and case.layers[-1]["class"] == "Dropout":
        where, sure = case.layers[-1]["path"], True
        told.append("Dropout comes last, so that outputs themselves are set to 0.")
    share = _penalty(case)
    if share is not None and share > 0.4:
        told.append(f"Penalties are {share:.0%} of the loss.")
        sure = True
    strong = [la for la in case.layers if _strength(la) >= 0.01]
    if strong and share is None or strong and share <= 0.4:
        where = where or strong[0]["path"]
        told.append(
            f"The weights of {where} are penalized by {_strength(strong[0]):.3g}."
        )
        sure = sure or _strength(strong[0]) >= 0.1
    tight = [la for la in case.layers if _bound(la) < 0.5]
    if tight:
        where = where or tight[0]["path"]
        told.append(
            f"A constraint holds norms in {where} below {_bound(tight[0]):.3g}."
        )
        sure = True
    if not told:
        return []
    severity = "high" if sure else "medium"
    wanted = _for_nets.less_regularized()
    return [Finding("over_regularized", where, tuple(told), severity, wanted)]


def _strength(layer):
    """Return the largest strength of the penalties of a layer."""
    found = [0.0]
    for name, rule in layer.items():
        if name.endswith("_regularizer") and isinstance(rule, dict):
            config = rule.get("config") or {}
            found += [v for v in config.values() if isinstance(v, float | int)]
    return max(found)


def _bound(layer):
    """Return the smallest norm that a constraint of the layer allows."""
    found = [math.inf]
    for name, rule in layer.items():
        if name.endswith("_constraint") and isinstance(rule, dict):
            bound = (rule.get("config") or {}).get("max_value")
            found += [bound] if isinstance(bound, float | int) else []
    return min(found)


def _penalty(case):
    """Return the share of the loss that is penalties, None if not known."""
    strong = any(_strength(layer) > 0 for layer in case.layers)
    loss = case.last("sample_loss")
    if not strong or len(loss) != 1 or not case.losses or not case.losses[-1]:
        return None
    [value] = loss.values()
    return 1 - value / case.losses[-1]


def class_imbalance(case):
    """Find a class so rare that it is never predicted."""
    for skill in case.skills if case.trained else ():
        base = skill.output.get("baseline_accuracy")
        recalls = case.last("sample_recall").get(skill.name)
        if not base or not recalls or skill.output["task"] == "multilabel":
            continue
        rare = base >= 0.8 and len(recalls) > 1
        # The rarer a class is found, the more may have been learned of the others.
        missed = min(recalls) <= (0.2 if skill.end < 0.3 else 0.05) and skill.end < 0.6
        if rare and missed and max(recalls) >= 0.95:
            told = (
                f"{base:.0%} of the rows are of one class, and of another one "
                f"{min(recalls):.0%} are found."
            )
            wanted = _for_data.balance()
            severity = "high" if base >= 0.88 else "medium"
            return [Finding("class_imbalance", skill.name, (told,), severity, wanted)]
    return []


def oscillating_loss(case):
    """Find a loss that goes up and down and gets nowhere."""
    losses = case.losses
    if not case.harm or len(losses) < 6 or not all(map(math.isfinite, losses)):
        return []
    tail = losses[len(losses) // 3 :]
    moves = [b - a for a, b in zip(tail, tail[1:], strict=False)]
    turns = sum(a * b < 0 for a, b in zip(moves, moves[1:], strict=False))
    mean = sum(tail) / len(tail)
    size = sum(map(abs, moves)) / len(moves) / (abs(mean) or 1.0)
    if turns < 0.4 * max(len(moves) - 1, 1) or size < 0.08:
        return []
    told = (
        f"From epoch to epoch the loss changes by {size:.0%}, and turns back in "
        f"{turns} of {len(moves) - 1} epochs."
    )
    severity = "medium" if size > 0.15 else "low"
    wanted = _for_steps.calmer(case)
    return [Finding("oscillating_loss", "", (told,), severity, wanted)]


def not_learning(case):
    """Find a training that ends where it began."""
    parameters = case.structure.get("variables") or []
    if parameters and not any(v["trainable"] for v in parameters):
        seen = "No weight of the model is trainable."
        return [Finding("not_learning", "", (seen,), "high", _for_nets.unfreeze())]
    if not case.fails or case.nonfinite:
        return []
    skill = next(s for s in case.skills if s.fails)
    told = [f"The output {skill.name!r} {_as_constant(case, skill)}."]
    spread = case.last("sample_spread").get(skill.name)
    deviation = skill.output["target"].get("std") or 1.0
    if spread is not None and spread < 0.01 * deviation:
        told.append("It puts out nearly the same for all rows.")
    wanted = _for_nets.one_batch()
    return [Finding("not_learning", skill.name, tuple(told), "low", wanted)]


def _as_constant(case, skill):
    accuracy = case.last("sample_accuracy").get(skill.name)
    base = skill.output.get("baseline_accuracy")
    if accuracy is not None and base is not None:
        return (
            f"is right for {accuracy:.1%} of training rows; always the most frequent "
            f"class would be for {base:.1%}"
        )
    error = case.last("sample_error").get(skill.name, math.nan)
    return (
        f"has a squared error of {error:.3g} times the variance of the targets; the "
        "mean of the targets would have 1"
    )


def slow_learning(case):
    """Find a training that ended while it was still getting better."""
    if not (case.fails or case.short) or case.nonfinite:
        return []
    skill = case.worst
    if not skill.improving and case.steps >= 300:
        return []
    still = ", still getting better" if skill.improving else ""
    told = (
        f"After {case.steps} steps the training ended at {max(skill.end, 0):.0%} of "
        f"the way from a constant prediction to no error{still}"
        + (f"; simple models reach {skill.goal:.0%}." if skill.goal else ".")
    )
    wanted = _for_steps.longer(case)
    return [Finding("slow_learning", skill.name, (told,), "low", wanted)]


def underfitting(case):
    """Find a training that stands still far from what simple models reach."""
    if not (case.short or case.fails) or case.nonfinite:
        return []
    skill, small = case.worst, _narrowest(case)
    tight = small is not None and small[1] <= 3
    if skill.improving and not tight:
        return []
    told = [
        f"Training is at {max(skill.end, 0):.0%} of the way from a constant "
        "prediction to no error"
        + (f"; simple models reach {skill.goal:.0%}." if skill.goal else ".")
    ]
    if tight:
        told.append(f"{small[0]} passes on only {small[1]} numbers.")
    severity = "medium" if tight else "low"
    return [
        Finding("underfitting", skill.name, tuple(told), severity, _for_nets.larger())
    ]


def _narrowest(case):
    """Return path and units of the hidden layer with the fewest, or None."""
    hidden = [la for la in case.layers if la.get("units") or la.get("filters")][:-1]
    sizes = [(la["path"], int(la.get("units") or la.get("filters"))) for la in hidden]
    return min(sizes, key=lambda item: item[1]) if sizes else None
