"""Rules on numbers that are no longer finite, or on their way there."""

import math

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_data, _for_steps

RECURRENT = "RNN", "SimpleRNN", "LSTM", "GRU", "Bidirectional"


def loss_nan(case):
    """Find a loss or weights that are NaN or infinite."""
    inputs = [f for f in case.inputs if f.get("nonfinite")]
    if inputs:
        seen = f"{inputs[0]['nonfinite']} values of the inputs are NaN or infinite."
        wanted = _for_data.finite_inputs()
        return [Finding("loss_nan", inputs[0]["name"], (seen,), "high", wanted)]
    if not case.nonfinite:
        return []
    told = []
    lost = [e["epoch"] for e in case.record.logs if not _finite(e.get("loss", 0.0))]
    if lost:
        told.append(f"The loss is not finite from epoch {lost[0] + 1} on.")
    broken = [p for p, norm in case.last("weight_norm").items() if not _finite(norm)]
    if broken:
        told.append(f"Weights that are not finite: {', '.join(broken[:3])}.")
    if not told:
        told.append("What the model puts out is not finite.")
    return [Finding("loss_nan", "", tuple(told), "high", _for_steps.finite())]


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
        # Errors of that size have such gradients.
        return []
    recurrent = bool(case.holds(*RECURRENT))
    if not (leaps or huge or (recurrent and case.nonfinite)):
        return []
    told = [f"The largest gradient norm of a step was {largest:.3g}."]
    if leaps:
        told.append(f"The usual one was {usual:.3g}.")
    sure = case.nonfinite or case.fails
    severity = "high" if sure and (recurrent or huge) else "medium"
    wanted = _for_steps.clipping(case)
    return [Finding("exploding_gradient", "", tuple(told), severity, wanted)]


def _finite(value):
    return math.isfinite(value)
