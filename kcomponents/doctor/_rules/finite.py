"""Rules on NaN, infinity and exploding gradients."""

import math

from kcomponents.doctor._data_words import counted
from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data, _for_steps

RECURRENT = "RNN", "SimpleRNN", "LSTM", "GRU", "Bidirectional"


def loss_nan(case):
    """Find a loss or weights that are NaN or infinite."""
    inputs = [f for f in case.inputs if f.get("nonfinite")]
    if inputs:
        count = counted(inputs[0]["nonfinite"], "value")
        seen = f"The inputs contain NaN or infinity ({count})."
        remedies = _for_data.finite_inputs()
        return [Finding("loss_nan", inputs[0]["name"], (seen,), "high", remedies)]
    if not case.nonfinite:
        return []
    evidence = []
    lost = [e["epoch"] for e in case.record.logs if not _finite(e.get("loss", 0.0))]
    if lost:
        evidence.append(f"The loss is NaN or infinite from epoch {lost[0] + 1} on.")
    broken = [p for p, norm in case.last("weight_norm").items() if not _finite(norm)]
    if broken:
        evidence.append(f"These weights are NaN or infinite: {', '.join(broken[:3])}.")
    if not evidence:
        evidence.append("The model's outputs are NaN or infinite.")
    return [Finding("loss_nan", "", tuple(evidence), "high", _for_steps.finite())]


def exploding_gradient(case):
    """Find gradients that grow without bound."""
    if not case.harm:
        return []
    largest = max((n for n in case.over("gradient_norm_max") if _finite(n)), default=0)
    norms = [n for n in case.over("gradient_norm") if _finite(n) and n > 0]
    if not norms:
        return []
    usual = sorted(norms)[len(norms) // 2]
    leaps = largest > 100 * usual and largest > 10
    huge = largest > 1e4
    targets = [output["target"] for output in case.outputs]
    large = any(max(abs(t.get("mean", 0)), t.get("std", 0)) > 15 for t in targets)
    if large and not case.nonfinite:
        # Large targets make large errors, and these have large gradients.
        return []
    recurrent = bool(case.holds(*RECURRENT))
    if not (leaps or huge or (recurrent and case.nonfinite)):
        return []
    peak = max(largest, *norms)
    evidence = (
        f"Gradients explode: the gradient norm reached {peak:.3g} in one step (usually "
        f"{usual:.3g})."
    )
    if not (leaps or huge):
        evidence = (
            "Values became NaN or infinite in a recurrent network, where gradients "
            f"grow over time steps (largest finite gradient norm {peak:.3g})."
        )
    sure = case.nonfinite or case.fails
    severity = "high" if sure and (recurrent or huge) else "medium"
    remedies = _for_steps.clipping(case)
    return [Finding("exploding_gradient", "", (evidence,), severity, remedies)]


def _finite(value):
    return math.isfinite(value)
