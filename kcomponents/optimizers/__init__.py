"""Optimizers of kcomponents."""

from kcomponents.optimizers.clipped import clipped

__all__ = ["clipped"]
