"""Initializers for kernels, and functions that choose or fit them."""

from kcomponents.initializers.blocked import Blocked
from kcomponents.initializers.conv_identity import ConvIdentity
from kcomponents.initializers.irnn import IRNN
from kcomponents.initializers.lsuv import lsuv
from kcomponents.initializers.per_piece import PerPiece
from kcomponents.initializers.recommended import recommended_for
from kcomponents.initializers.scaled_identity import ScaledIdentity

__all__ = [
    "Blocked",
    "ConvIdentity",
    "IRNN",
    "PerPiece",
    "ScaledIdentity",
    "lsuv",
    "recommended_for",
]
