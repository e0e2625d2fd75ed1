"""Rules on the weights that a training begins with."""

import math

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_nets

RULE = "bad_initialization"


def bad_initialization(case):
    """Find hidden layers whose first weights keep them from learning."""
    if not case.harm:
        return []
    kernels = [path for path in case.kernels if path in case.initial]
    equal = [path for path in kernels[:-1] if case.initial[path]["units_equal"]]
    if equal:
        told = (
            f"All units of {equal[0]} begin with the same weights, so they get the "
            "same gradients and stay one unit."
        )
        wanted = _for_nets.initializers(case, equal[0])
        return [Finding(RULE, equal[0], (told,), "high", wanted)]
    wild = [path for path in kernels if _is_wild(case.initial[path])]
    if not wild:
        return []
    [first, *_] = wild
    facts = case.initial[first]
    size = math.sqrt(facts["std"] ** 2 + facts["mean"] ** 2)
    usual = math.sqrt(1 / facts["fan_in"])
    told = (
        f"Weights of {first} begin at a size of {size:.3g}; for {facts['fan_in']} "
        f"inputs about {usual:.3g} keeps signals at their scale."
    )
    wanted = _for_nets.initializers(case, first)
    return [Finding(RULE, first, (told,), "high", wanted)]


def _is_wild(facts):
    fan_in = facts["fan_in"]
    size = math.sqrt(facts["std"] ** 2 + facts["mean"] ** 2) * math.sqrt(fan_in)
    # All of one sign, they add up.
    one_sided = abs(facts["mean"]) > facts["std"] and abs(facts["mean"]) * fan_in > 4
    return size > 5 or one_sided or 0 < size < 0.03
