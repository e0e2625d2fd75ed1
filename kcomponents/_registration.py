"""Registration of the classes that saved models contain, once Keras is imported.

`keras.saving.load_model` finds a class of this package only if it is registered, which
needs Keras. `import kcomponents` does not import Keras. Instead, the parts below are
imported as soon as anyone has imported Keras.
"""

import importlib
import logging
import pathlib
import pkgutil
import sys

import wrapt

# The parts with registered classes.
PARTS = (
    "kcomponents.activations",
    "kcomponents.constraints",
    "kcomponents.initializers",
    "kcomponents.layers",
    "kcomponents.optimizers",
    "kcomponents.regularizers",
)
# Every module and package at the first level, private ones too.
MODULES = frozenset(
    f"kcomponents.{module.name}"
    for module in pkgutil.iter_modules([str(pathlib.Path(__file__).parent)])
)

_complete = set()
# The parts that are still to be imported; each is tried once.
_waiting = [*PARTS]


def register(cls: type) -> type:
    """Register a class that saved models may contain, as a decorator."""
    import keras

    return keras.saving.register_keras_serializable(package="kcomponents")(cls)


def register_with_keras() -> None:
    """Import the parts with registered classes once Keras is imported."""
    for name in ("keras", *sorted(MODULES)):
        wrapt.register_post_import_hook(_imported, name)


def _imported(module):
    """Import the parts, unless an import of this package is still in progress.

    A module that imports Keras is incomplete at that time, so that a part may not be
    able to import from it. The parts then wait for the end of that import.
    """
    _complete.add(module.__name__)
    in_progress = any(sys.modules.get(name) for name in MODULES - _complete)
    if "keras" not in _complete or in_progress:
        return
    while _waiting:
        part = _waiting.pop()
        try:
            importlib.import_module(part)
        except Exception as error:
            # Keras itself works, so its import must not fail.
            logging.getLogger("kcomponents").warning(
                "%s could not be imported, so models with its classes cannot be "
                "loaded: %s",
                part,
                error,
            )
