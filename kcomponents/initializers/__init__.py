"""Initializers of kcomponents."""

__all__ = []
