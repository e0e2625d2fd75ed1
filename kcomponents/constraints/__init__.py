"""Constraints: functions that project weights after each optimizer step."""

from kcomponents.constraints.constraints import (
    Clip,
    MaxNorm,
    MinMaxNorm,
    ProximalGroup,
    SoftThreshold,
    UnitInterval,
    UnitNorm,
)

__all__ = [
    "Clip",
    "MaxNorm",
    "MinMaxNorm",
    "ProximalGroup",
    "SoftThreshold",
    "UnitInterval",
    "UnitNorm",
]
