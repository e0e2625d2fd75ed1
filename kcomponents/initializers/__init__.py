"""Initializers for kernels, and functions that choose or fit them."""

from kcomponents.initializers.blocks import Blocked, PerPiece
from kcomponents.initializers.identity import IRNN, ConvIdentity, ScaledIdentity
from kcomponents.initializers.lsuv import lsuv
from kcomponents.initializers.recommended import recommended_for

__all__ = [
    "Blocked",
    "ConvIdentity",
    "IRNN",
    "PerPiece",
    "ScaledIdentity",
    "lsuv",
    "recommended_for",
]
