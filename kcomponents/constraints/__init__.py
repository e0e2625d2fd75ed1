"""Constraints: functions that project weights after each optimizer step."""

from kcomponents.constraints.clip import Clip
from kcomponents.constraints.max_norm import MaxNorm
from kcomponents.constraints.min_max_norm import MinMaxNorm
from kcomponents.constraints.proximal_group import ProximalGroup
from kcomponents.constraints.soft_threshold import SoftThreshold
from kcomponents.constraints.unit_interval import UnitInterval
from kcomponents.constraints.unit_norm import UnitNorm

__all__ = [
    "Clip",
    "MaxNorm",
    "MinMaxNorm",
    "ProximalGroup",
    "SoftThreshold",
    "UnitInterval",
    "UnitNorm",
]
