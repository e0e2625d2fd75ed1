"""Rule on the initial weights."""

import math

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_nets

RULE = "bad_initialization"


def bad_initialization(case):
    """Find initial weights that are equal, too large, too small, or of one sign."""
    if not case.harm:
        return []
    kernels = [path for path in case.kernels if path in case.initial]
    equal = [path for path in kernels[:-1] if case.initial[path]["units_equal"]]
    if equal:
        evidence = (
            f"All units of {equal[0]} start with the same weights, so they get the "
            "same gradients and never become different."
        )
        remedies = _for_nets.initializers(case, equal[0])
        return [Finding(RULE, equal[0], (evidence,), "high", remedies)]
    wild = [path for path in kernels if _fault(case.initial[path])]
    if not wild:
        return []
    [first, *_] = wild
    facts = case.initial[first]
    usual = math.sqrt(1 / facts["fan_in"])
    evidence = (
        f"Initial weights of {first} {_fault(facts)}: mean {facts['mean']:.3g}, "
        f"standard deviation {facts['std']:.3g}; for {facts['fan_in']} inputs, 0 and "
        f"about {usual:.3g} are usual."
    )
    remedies = _for_nets.initializers(case, first)
    return [Finding(RULE, first, (evidence,), "high", remedies)]


def _fault(facts):
    """Return what is wrong with the initial weights, None if nothing is."""
    fan_in = facts["fan_in"]
    size = math.sqrt(facts["std"] ** 2 + facts["mean"] ** 2) * math.sqrt(fan_in)
    # Weights of one sign add up instead of canceling out.
    one_sided = abs(facts["mean"]) > facts["std"] and abs(facts["mean"]) * fan_in > 4
    if size > 5:
        return "are too large"
    if one_sided:
        return "mostly have the same sign"
    return "are too small" if 0 < size < 0.03 else None
