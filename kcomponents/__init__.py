"""Components, a training doctor and a search for Keras models that do not train.

`import kcomponents` imports nothing else, not even Keras: each part is imported on
first use. Once Keras is imported too, `keras.saving.load_model` finds every class of
this package that a saved model contains.
"""

import importlib
from typing import TYPE_CHECKING

from kcomponents import _console, _registration  # noqa: F401 (filters the logger)
from kcomponents._version import __version__ as __version__

if TYPE_CHECKING:
    from kcomponents import activations as activations
    from kcomponents import analysis as analysis
    from kcomponents import callbacks as callbacks
    from kcomponents import clipping as clipping
    from kcomponents import constraints as constraints
    from kcomponents import doctor as doctor
    from kcomponents import inference as inference
    from kcomponents import initializers as initializers
    from kcomponents import layers as layers
    from kcomponents import optimizers as optimizers
    from kcomponents import probes as probes
    from kcomponents import record as record
    from kcomponents import regularizers as regularizers
    from kcomponents import report as report
    from kcomponents import surgery as surgery
    from kcomponents import testing as testing
    from kcomponents import training as training
    from kcomponents import treatment as treatment
    from kcomponents import tuning as tuning
    from kcomponents.callbacks import TrainingDoctor as TrainingDoctor
    from kcomponents.treatment import overfit_batch as overfit_batch
    from kcomponents.treatment import suggest_learning_rate as suggest_learning_rate
    from kcomponents.treatment import treat as treat
    from kcomponents.tuning import Search as Search

# Classes and functions at the top → their parts.
_AT_THE_TOP = {
    "Search": "tuning",
    "TrainingDoctor": "callbacks",
    "overfit_batch": "treatment",
    "suggest_learning_rate": "treatment",
    "treat": "treatment",
}

__all__ = [
    "Search",
    "TrainingDoctor",
    "activations",
    "analysis",
    "callbacks",
    "clipping",
    "constraints",
    "doctor",
    "inference",
    "initializers",
    "layers",
    "optimizers",
    "overfit_batch",
    "probes",
    "record",
    "regularizers",
    "report",
    "suggest_learning_rate",
    "surgery",
    "testing",
    "training",
    "treat",
    "treatment",
    "tuning",
]


def __getattr__(name):
    if name in _AT_THE_TOP:
        part = importlib.import_module(f"{__name__}.{_AT_THE_TOP[name]}")
        value = globals()[name] = getattr(part, name)
        return value
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*__all__, "__version__"]


_registration.register_with_keras()
