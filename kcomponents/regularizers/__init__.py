"""Regularizers, and functions that assign them to the weights of a built model."""

from kcomponents.regularizers.apply import apply
from kcomponents.regularizers.elastic_net import ElasticNet
from kcomponents.regularizers.exclude_from_decay import exclude_from_decay
from kcomponents.regularizers.group_lasso import GroupLasso
from kcomponents.regularizers.kl_sparsity import KLSparsity
from kcomponents.regularizers.l1 import L1
from kcomponents.regularizers.l1_l2 import L1L2
from kcomponents.regularizers.l2 import L2
from kcomponents.regularizers.orthogonal import Orthogonal
from kcomponents.regularizers.report import report
from kcomponents.regularizers.sparse_group_lasso import SparseGroupLasso

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
