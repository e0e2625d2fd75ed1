"""Regularizers, and functions that assign them to the weights of a built model."""

from kcomponents.regularizers.apply import apply
from kcomponents.regularizers.exclude_from_decay import exclude_from_decay
from kcomponents.regularizers.penalties import (
    L1,
    L1L2,
    L2,
    ElasticNet,
    GroupLasso,
    KLSparsity,
    Orthogonal,
    SparseGroupLasso,
)
from kcomponents.regularizers.report import report

__all__ = [
    "ElasticNet",
    "GroupLasso",
    "KLSparsity",
    "L1",
    "L1L2",
    "L2",
    "Orthogonal",
    "SparseGroupLasso",
    "apply",
    "exclude_from_decay",
    "report",
]
