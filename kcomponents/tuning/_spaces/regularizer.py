"""The choice of a regularizer."""

from kcomponents._check import fail
from kcomponents.regularizers import L1, L1L2, L2
from kcomponents.tuning._spaces.ranges import log_float, positive_range


def choose(hp, name, l1, l2):
    """Register the choice of a regularizer, and return a new one or None."""
    if l1 is None and l2 is None:
        fail("Pass a range for `l1` or `l2`: there is no choice.", l1=l1, l2=l2)
    ranges = {"l1": l1, "l2": l2}
    given = {k: positive_range(k, v) for k, v in ranges.items() if v is not None}
    both = ["l1_l2"] if len(given) == 2 else []
    chosen = hp.Choice(name, ["none", *given, *both])
    factors = {}
    for kind, bounds in given.items():
        with hp.conditional_scope(name, [kind, *both]):
            factors[kind] = log_float(hp, f"{name}/{kind}", bounds)
    if chosen == "none":
        return None
    if chosen == "l1_l2":
        return L1L2(**factors)
    return {"l1": L1, "l2": L2}[chosen](factors[chosen])
