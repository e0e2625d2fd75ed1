"""Regularizers of kcomponents."""

__all__ = []
