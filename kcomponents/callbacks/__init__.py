"""Callbacks that watch training from within its step, and those that act on it."""

from kcomponents.callbacks.dead_relu_monitor import DeadReLUMonitor
from kcomponents.callbacks.finite_guard import FiniteGuard
from kcomponents.callbacks.gradient_norm_logger import GradientNormLogger
from kcomponents.callbacks.saturation_monitor import SaturationMonitor
from kcomponents.callbacks.update_ratio_monitor import UpdateRatioMonitor

__all__ = [
    "DeadReLUMonitor",
    "FiniteGuard",
    "GradientNormLogger",
    "SaturationMonitor",
    "UpdateRatioMonitor",
]
