"""Probes: measurements inside the compiled training step, without changing it."""

from kcomponents.probes.probe import Probe
from kcomponents.probes.statistic import Statistic
from kcomponents.probes.structure import structure

__all__ = ["Probe", "Statistic", "structure"]
