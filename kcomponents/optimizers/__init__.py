"""Optimizers of kcomponents, and bounds of their gradients."""

from kcomponents.optimizers.adaptive_bounds import (
    AdaptiveBound,
    NormPercentile,
    NormZScore,
)
from kcomponents.optimizers.clipped import clipped

__all__ = ["AdaptiveBound", "NormPercentile", "NormZScore", "clipped"]
