"""How far weights moved from where they started, whichever optimizer moves them."""

import math

import keras
import numpy as np

from kcomponents import _backends

# The most elements of a variable that are compared.
ELEMENTS = 256


class WeightMotion:
    """Compares some elements of each weight with those before training.

    Args:
        model: Keras model, built.

    Attributes:
        start: List of arrays, these elements before training.
    """

    def __init__(self, model):
        self._variables = [v for v in model.weights if _is_kernel(v)]
        self.start = self._elements()

    def read(self):
        """Return path → distance from the start, relative to the size of the weights.

        Weights that were all zero have moved by infinity, or by 0.
        """
        paths = [variable.path for variable in self._variables]
        distances = map(_distance, self._elements(), self.start)
        return dict(zip(paths, distances, strict=True))

    def _elements(self):
        found = []
        for variable in self._variables:
            # In numpy, as JAX would compile each operation for each shape.
            flat = _backends.on_host(variable).reshape(-1)
            step = max(1, flat.size // ELEMENTS)
            found.append(flat[::step].astype("float64"))
        return found


def _is_kernel(variable):
    floats = keras.backend.is_float_dtype(variable.dtype)
    return floats and len(variable.shape) > 1 and math.prod(variable.shape) > 0


def _distance(now, start):
    moved = float(np.sqrt(np.square(now - start).sum()))
    size = float(np.sqrt(np.square(start).sum()))
    if not moved:
        return 0.0
    return moved / size if size else math.inf
