"""Activation functions, and `get`, which returns an activation by its name."""

from kcomponents.activations.get import get
from kcomponents.activations.maxout import maxout
from kcomponents.activations.rrelu import rrelu

__all__ = ["get", "maxout", "rrelu"]
