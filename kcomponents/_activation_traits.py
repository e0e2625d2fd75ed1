"""Traits of activations: one table for every rule, monitor, initializer and search."""

import dataclasses
import math
from typing import Literal

INF = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traits:
    """What is known about an activation `f`.

    Each trait holds for every argument that the function or its layer accepts, such as
    a slope, unless it says "by default".

    Args:
        low: Float, the lower bound of the outputs. Defaults to `-inf`.
        high: Float, the upper bound of the outputs. Defaults to `inf`.
        reads: What an output depends on: `"unit"`, its own input; `"group"`, the inputs
            of a few channels, as in maxout; or `"units"`, the inputs of all units, as
            in softmax. Defaults to `"unit"`.
        homogeneous: Boolean, whether `f(a * x) == a * f(x)` for `a > 0`. Defaults to
            `False`.
        zero_centered: Boolean, whether `f(-x) == -f(x)`. Defaults to `False`.
        piecewise_linear: Boolean. Defaults to `False`.
        plateaus: Pair of floats. An output outside of them is saturated: the slope is
            below 1/25 of the largest slope. An output that equals one of the bounds
            `low` and `high` is saturated too. `None` for activations that do not
            saturate on both sides, and for rectifiers, whose flat side is judged by
            `inactive`. Defaults to `None`.
        inactive: For rectifiers (`f(x)` is proportional to `x` above 0, with a smaller
            slope below), the slope below 0: `"flat"`, it is 0; `"fading"`, it tends to
            0; or `"sloped"`, it does not. For maxout, `"pieces"`: a piece that is never
            the largest gets no gradient. `None` for all others. Defaults to `None`.
        he_slope: Float, the slope below 0 in He's formula for the initial weights, by
            default; 0 for smooth variants of ReLU. `None` if the formula does not
            apply. Defaults to `None`.
        glorot_slope: Float, the slope at 0 in Glorot's formula for the initial weights.
            `None` if the formula does not apply. Defaults to `None`.
    """

    low: float = -INF
    high: float = INF
    reads: Literal["unit", "group", "units"] = "unit"
    homogeneous: bool = False
    zero_centered: bool = False
    piecewise_linear: bool = False
    plateaus: tuple[float, float] | None = None
    inactive: Literal["flat", "fading", "sloped", "pieces"] | None = None
    he_slope: float | None = None
    glorot_slope: float | None = None

    @property
    def bounded(self) -> bool:
        """Whether the outputs have both a lower and an upper bound."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def probabilities(self) -> bool:
        """Whether the outputs are probabilities: their range is 0 to 1."""
        return (self.low, self.high) == (0, 1)

    @property
    def distribution(self) -> bool:
        """Whether the outputs of all units are probabilities that sum to 1."""
        return self.probabilities and self.reads == "units"


# By the `__name__` of the Keras function, or the name that
# `kcomponents.activations.get` accepts. A bound that depends on an argument counts as
# infinite: that of `elu` and `celu` is `-alpha`.
TRAITS = {
    "celu": Traits(inactive="fading", he_slope=0.0),
    "elu": Traits(inactive="fading", he_slope=0.0),
    "exponential": Traits(low=0),
    "gelu": Traits(low=-0.17005, he_slope=0.0),
    "glu": Traits(reads="group"),
    "hard_shrink": Traits(zero_centered=True, piecewise_linear=True),
    "hard_sigmoid": Traits(
        low=0, high=1, piecewise_linear=True, plateaus=(0, 1), glorot_slope=1 / 6
    ),
    "hard_silu": Traits(low=-0.375, he_slope=0.0),
    "hard_tanh": Traits(
        low=-1,
        high=1,
        zero_centered=True,
        piecewise_linear=True,
        plateaus=(-1, 1),
        glorot_slope=1.0,
    ),
    "leaky_relu": Traits(
        homogeneous=True, piecewise_linear=True, inactive="sloped", he_slope=0.2
    ),
    "linear": Traits(
        homogeneous=True, zero_centered=True, piecewise_linear=True, glorot_slope=1.0
    ),
    "log_sigmoid": Traits(high=0),
    "log_softmax": Traits(high=0, reads="units"),
    "maxout": Traits(
        reads="group", homogeneous=True, piecewise_linear=True, inactive="pieces"
    ),
    "mish": Traits(low=-0.30885, he_slope=0.0),
    "prelu": Traits(
        homogeneous=True, piecewise_linear=True, inactive="sloped", he_slope=0.25
    ),
    "relu": Traits(
        low=0, homogeneous=True, piecewise_linear=True, inactive="flat", he_slope=0.0
    ),
    "relu6": Traits(
        low=0, high=6, piecewise_linear=True, inactive="flat", he_slope=0.0
    ),
    # By default, the slope is the mean of 1/8 and 1/3.
    "rrelu": Traits(
        homogeneous=True, piecewise_linear=True, inactive="sloped", he_slope=11 / 48
    ),
    "selu": Traits(low=-1.7581, inactive="fading"),
    "sigmoid": Traits(low=0, high=1, plateaus=(0.01, 0.99), glorot_slope=1 / 4),
    "silu": Traits(low=-0.27847, he_slope=0.0),
    "soft_shrink": Traits(zero_centered=True, piecewise_linear=True),
    "softmax": Traits(low=0, high=1, reads="units", glorot_slope=1.0),
    "softplus": Traits(low=0, he_slope=0.0),
    "softsign": Traits(
        low=-1, high=1, zero_centered=True, plateaus=(-0.9, 0.9), glorot_slope=1.0
    ),
    "sparse_plus": Traits(low=0, he_slope=0.0),
    "sparse_sigmoid": Traits(
        low=0, high=1, piecewise_linear=True, plateaus=(0, 1), glorot_slope=1 / 2
    ),
    "sparsemax": Traits(low=0, high=1, reads="units", piecewise_linear=True),
    "squareplus": Traits(low=0, he_slope=0.0),
    "tanh": Traits(
        low=-1, high=1, zero_centered=True, plateaus=(-0.99, 0.99), glorot_slope=1.0
    ),
    "tanh_shrink": Traits(zero_centered=True),
    "threshold": Traits(piecewise_linear=True),
}
# Second names in Keras.
ALIASES = {"hard_swish": "hard_silu", "swish": "silu"}
# Traits of an activation that is not in the table: nothing is known.
UNKNOWN = Traits()


def traits_of(name: str | None) -> Traits:
    """Return the traits of an activation by name, `UNKNOWN` for any other."""
    # A record from another program may hold anything.
    known = name if isinstance(name, str) else ""
    return TRAITS.get(ALIASES.get(known, known), UNKNOWN)


# Groups of names that several parts use.

# Activations whose units never get a gradient again once they always output 0.
DEAD_WHEN_INACTIVE = frozenset(n for n, t in TRAITS.items() if t.inactive == "flat")
# Activations that compute each unit by itself.
ELEMENTWISE = frozenset(n for n, t in TRAITS.items() if t.reads == "unit")
# Activations that compare all units, as for an output or attention.
COMPARING = frozenset(n for n, t in TRAITS.items() if t.reads == "units")
# Saturating activations, with the limits beyond which their outputs are saturated.
PLATEAUS = {n: t.plateaus for n, t in TRAITS.items() if t.plateaus is not None}
