"""The choice of a dropout rate."""

from kcomponents._check import fail, number


def choose(hp, name, min_value, max_value, step=None):
    """Register a dropout rate, and return it."""
    low = number("min_value", min_value, 0)
    high = number("max_value", max_value, low)
    if high >= 1:
        fail("`max_value` must be below 1.", max_value=max_value)
    if step is not None:
        step = number("step", step, 0, open_low=True)
    return hp.Float(name, low, high, step=step)
