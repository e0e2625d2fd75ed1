"""Rules on the scale of inputs and targets."""

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data


def unnormalized_input(case):
    """Find inputs of a scale that keeps a net from learning."""
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
        told = []
        if facts["min"] == facts["max"] and facts["rows"] > 1:
            told.append(f"All inputs are the same number, {facts['min']:.4g}.")
        elif size > 15:
            told.append(
                f"Inputs go from {facts['min']:.4g} to {facts['max']:.4g}, and no "
                "layer scales them before the first weights."
            )
        elif ratio > 100 and size > 5:
            told.append(f"Columns differ in scale by a factor of {ratio:.3g}.")
        elif size < 0.02 and facts["max"] > facts["min"]:
            told.append(
                f"Inputs are tiny: from {facts['min']:.3g} to {facts['max']:.3g}."
            )
        if told:
            severity = "high" if size > 40 or size < 0.02 else "medium"
            wanted = _for_data.scale_inputs(facts)
            found.append(
                Finding(
                    "unnormalized_input", facts["name"], tuple(told), severity, wanted
                )
            )
    return found


def _is_ids(case, facts):
    """Tell whole numbers that an embedding looks up."""
    return facts.get("integer") and bool(case.holds("Embedding"))


def unnormalized_target(case):
    """Find targets of a regression too large, or too small, to get at."""
    if not case.harm:
        return []
    found = []
    for output in case.outputs:
        target = output["target"]
        if output["task"] != "regression" or "std" not in target:
            continue
        size = max(abs(target["mean"]), target["std"])
        if size > 15 or 0 < target["std"] < 0.01:
            told = (
                f"Targets have mean {target['mean']:.4g} and standard deviation "
                f"{target['std']:.4g}, but a net starts with outputs around 1."
            )
            severity = "high" if size > 50 or target["std"] < 0.01 else "medium"
            found.append(
                Finding(
                    "unnormalized_target",
                    output["name"],
                    (told,),
                    severity,
                    _for_data.scale_targets(),
                )
            )
    return found
