"""Constraints of kcomponents."""

__all__ = []
