"""Activation functions, and `get`, which returns an activation by its name."""

from kcomponents.activations.activations import get, maxout, rrelu

__all__ = ["get", "maxout", "rrelu"]
