"""Optimizers of kcomponents."""

__all__ = []
