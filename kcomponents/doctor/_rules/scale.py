"""Rules on the scale of inputs and targets."""

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data


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
            remedies = _for_data.scale_inputs(facts)
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
                    _for_data.scale_targets(),
                )
            )
    return found
