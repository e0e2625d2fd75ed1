"""Hyperparameter search with keras-tuner's interface, and parts of search spaces.

Classes that need keras-tuner or Optuna are imported on first use: the package can be
imported without them.
"""

import importlib
from typing import TYPE_CHECKING

from kcomponents import _optional
from kcomponents.tuning.activation import activation as activation
from kcomponents.tuning.choices import dropout as dropout
from kcomponents.tuning.choices import normalization as normalization
from kcomponents.tuning.choices import regularizer as regularizer
from kcomponents.tuning.describe import describe as describe
from kcomponents.tuning.describe import size as size
from kcomponents.tuning.optimizer import clipping as clipping
from kcomponents.tuning.optimizer import optimizer as optimizer
from kcomponents.tuning.space import space as space
from kcomponents.tuning.validate import validate as validate

if TYPE_CHECKING:
    from kcomponents.tuning.hypermodels.conv import ConvHyperModel as ConvHyperModel
    from kcomponents.tuning.hypermodels.dense import DenseHyperModel as DenseHyperModel
    from kcomponents.tuning.hypermodels.recurrent import (
        RecurrentHyperModel as RecurrentHyperModel,
    )
    from kcomponents.tuning.hypermodels.wrappers import Regularized as Regularized
    from kcomponents.tuning.hypermodels.wrappers import WithActivation as WithActivation
    from kcomponents.tuning.search import Search as Search

# Classes that extend classes of keras-tuner → their modules.
_LAZY = {
    "ConvHyperModel": "hypermodels.conv",
    "DenseHyperModel": "hypermodels.dense",
    "RecurrentHyperModel": "hypermodels.recurrent",
    "Regularized": "hypermodels.wrappers",
    "Search": "search",
    "WithActivation": "hypermodels.wrappers",
}

# Libraries that these classes need, all of them in the extra `tuning`.
_LIBRARIES = ("keras_tuner", "optuna", "filelock", "psutil")

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
    for library in _LIBRARIES:
        _optional.require(library)
    module = importlib.import_module(f"{__name__}.{_LAZY[name]}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__():
    return __all__
