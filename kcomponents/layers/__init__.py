"""Layers of kcomponents."""

__all__ = []
