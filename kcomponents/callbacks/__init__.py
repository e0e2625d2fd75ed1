"""Callbacks that monitor, stop, resume and diagnose training."""

from kcomponents.callbacks.dead_relu_monitor import DeadReLUMonitor
from kcomponents.callbacks.early_stopping import EarlyStopping
from kcomponents.callbacks.finite_guard import FiniteGuard
from kcomponents.callbacks.gradient_norm_logger import GradientNormLogger
from kcomponents.callbacks.resume import Resume
from kcomponents.callbacks.revive import Revive
from kcomponents.callbacks.saturation_monitor import SaturationMonitor
from kcomponents.callbacks.stop_criteria import (
    GL,
    PQ,
    UP,
    GeneralizationLoss,
    Patience,
    ProgressQuotient,
    StopCriterion,
    StopReason,
    SuccessiveIncreases,
)
from kcomponents.callbacks.training_doctor import TrainingDoctor
from kcomponents.callbacks.update_ratio_monitor import UpdateRatioMonitor
from kcomponents.callbacks.warm_up import WarmUp

__all__ = [
    "DeadReLUMonitor",
    "EarlyStopping",
    "FiniteGuard",
    "GL",
    "GeneralizationLoss",
    "GradientNormLogger",
    "PQ",
    "Patience",
    "ProgressQuotient",
    "Resume",
    "Revive",
    "SaturationMonitor",
    "StopCriterion",
    "StopReason",
    "SuccessiveIncreases",
    "TrainingDoctor",
    "UP",
    "UpdateRatioMonitor",
    "WarmUp",
]
