"""Hyperparameter search with keras-tuner's interface, and parts of search spaces.

Classes that need keras-tuner or Optuna are imported on first use: the package can be
imported without them.
"""

import importlib
from typing import TYPE_CHECKING

from kcomponents.tuning import _optional as _optional
from kcomponents.tuning._describe import describe as describe
from kcomponents.tuning._validate import validate as validate
from kcomponents.tuning.activation import activation as activation
from kcomponents.tuning.clipping import clipping as clipping
from kcomponents.tuning.dropout import dropout as dropout
from kcomponents.tuning.normalization import normalization as normalization
from kcomponents.tuning.optimizer import optimizer as optimizer
from kcomponents.tuning.regularizer import regularizer as regularizer
from kcomponents.tuning.size import size as size
from kcomponents.tuning.space import space as space

if TYPE_CHECKING:
    from kcomponents.tuning._search import Search as Search
    from kcomponents.tuning.conv_hypermodel import ConvHyperModel as ConvHyperModel
    from kcomponents.tuning.dense_hypermodel import DenseHyperModel as DenseHyperModel
    from kcomponents.tuning.recurrent_hypermodel import (
        RecurrentHyperModel as RecurrentHyperModel,
    )
    from kcomponents.tuning.regularized import Regularized as Regularized
    from kcomponents.tuning.with_activation import WithActivation as WithActivation

# Classes that extend classes of keras-tuner → their modules.
_LAZY = {
    "ConvHyperModel": "conv_hypermodel",
    "DenseHyperModel": "dense_hypermodel",
    "RecurrentHyperModel": "recurrent_hypermodel",
    "Regularized": "regularized",
    "Search": "_search",
    "WithActivation": "with_activation",
}

__all__ = [
    "ConvHyperModel",
    "DenseHyperModel",
    "RecurrentHyperModel",
    "Regularized",
    "Search",
    "WithActivation",
    "activation",
    "clipping",
    "describe",
    "dropout",
    "normalization",
    "optimizer",
    "regularizer",
    "size",
    "space",
    "validate",
]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for library in ("keras_tuner", "optuna"):
        _optional.needed(library)
    module = importlib.import_module(f"{__name__}.{_LAZY[name]}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__():
    return __all__
