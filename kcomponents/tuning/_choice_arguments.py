"""Arguments of search spaces: choices and ranges, and widths and lists of layers."""

import math

from kcomponents._checks import fail, number, positive_int


def choices_of(choices, check=None):
    """Return the choices as a list of strings without duplicates.

    `check(choice)` raises a `ValueError` for an unknown choice.
    """
    names = [choices] if isinstance(choices, str) else list(dict.fromkeys(choices))
    if not names:
        fail("There must be at least one choice.", choices=choices)
    for name in names:
        if not isinstance(name, str):
            fail("`choices` must be strings.", choices=choices)
        if check is not None:
            check(name)
    return names


def default_of(choices, default):
    """Return `default` if it is one of the choices, else the first choice."""
    return default if default in choices else choices[0]


def positive_range(name, bounds):
    """Return `(lowest, highest)` as floats; raise unless both are positive."""
    try:
        low, high = bounds
    except (TypeError, ValueError):
        fail(f"`{name}` must be a pair (lowest, highest).", **{name: bounds})
    low = number(name, low, 0, open_low=True)
    return low, number(name, high, low)


def log_float(hp, name, bounds, default=None):
    """Register a float on a log scale; the default is the middle of the scale."""
    low, high = bounds
    middle = float(f"{math.sqrt(low * high):.3g}") if default is None else default
    default = min(max(middle, low), high)
    return hp.Float(name, low, high, sampling="log", default=default)


# Widths of maxout layers with as many weights as ordinary layers


def equal_width(units, pieces, fan_in=None, fan_out=None, depth=1):
    """Return the width `w` of `depth` maxout layers with as many weights as `units`.

    It solves `k (i + 1) w + (d - 1) k (w + 1) w + o w = (i + 1) u + (d - 1) (u + 1) u +
    o u` for `k` pieces, and `i` incoming and `o` outgoing weights of a unit; `+ 1` is
    the bias.
    """
    units, depth = positive_int("units", units), positive_int("depth", depth)
    if pieces == 1:
        return units
    if (fan_in is None) != (fan_out is None):
        rule = "Pass both `fan_in` and `fan_out`, or none of them."
        fail(rule, fan_in=fan_in, fan_out=fan_out)
    if fan_in is None:
        # The limit for large depth.
        return max(1, round(units / math.sqrt(pieces)))
    fan_in = positive_int("fan_in", fan_in)
    fan_out = positive_int("fan_out", fan_out)
    square = (depth - 1) * pieces
    line = pieces * (fan_in + 1) + (depth - 1) * pieces + fan_out
    cost = (fan_in + 1) * units + (depth - 1) * (units + 1) * units + fan_out * units
    return max(1, round(positive_root(square, line, -cost)))


def positive_root(square, line, constant):
    """Return the positive `x` with `square x² + line x + constant = 0`."""
    if not square:
        return -constant / line
    return (math.sqrt(line**2 - 4 * square * constant) - line) / (2 * square)


def equal_widths(widths, cost, pieces):
    """Scale all widths by one factor, to cost as much with `pieces` as with 1 piece.

    `cost(widths, pieces)` returns the number of weights, which grows with each width.
    """
    if pieces == 1:
        return list(widths)
    target = cost(widths, 1)
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        costs = cost([middle * width for width in widths], pieces)
        low, high = (middle, high) if costs < target else (low, middle)
    scaled = [max(1, math.floor(low * width)) for width in widths]
    for place in range(len(scaled)):
        # Add a unit to a layer if that brings the cost closer to the target.
        more = [width + (i == place) for i, width in enumerate(scaled)]
        if abs(cost(more, pieces) - target) < abs(cost(scaled, pieces) - target):
            scaled = more
    return scaled


class Layers(list):
    """A list of layers that can also be called, to apply one after another.

    `Sequential([*layers, ...])` and `x = layers(x)` do the same.
    """

    def __call__(self, x, **kwargs):
        for layer in self:
            x = layer(x, **kwargs)
        return x
