"""Analysis of trained models: the linear map at an input, and which weights matter."""

from kcomponents.analysis.linear_region import LinearRegion, linear_region
from kcomponents.analysis.sensitivity import Shake, sensitivity

__all__ = ["LinearRegion", "Shake", "linear_region", "sensitivity"]
