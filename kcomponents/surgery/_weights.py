"""Weights: copies of the arrays of a model, from which units are removed."""

import keras
import numpy as np


class Weights:
    """Copies of all weights of a model, to be edited and assigned to a similar model.

    Args:
        model: Keras model.
    """

    def __init__(self, model):
        self._arrays = {
            layer.name: [np.array(w.numpy()) for w in layer.weights]
            for layer in model.layers
            if layer.weights
        }

    def get(self, layer, variable):
        """Return the current array of a variable of a layer."""
        return self._arrays[layer.name][_place(layer, variable)]

    def set(self, layer, variable, array):
        """Replace the array of a variable of a layer."""
        self._arrays[layer.name][_place(layer, variable)] = array

    def take_units(self, way, kept):
        """Keep only these units, in all layers of the way."""
        maker = way.maker
        for variable in maker.weights:
            self.set(maker, variable, self.get(maker, variable)[..., kept])
        for layer in way.between:
            for variable in layer.weights:
                array = self.get(layer, variable)
                if array.ndim and array.shape[-1] > 1:
                    self.set(layer, variable, array[..., spread(kept, way, array)])
        for taker, _ in way.takers:
            kernel = np.moveaxis(self.get(taker, taker.kernel), -2, -1)
            kernel = kernel[..., spread(kept, way, kernel)]
            self.set(taker, taker.kernel, np.moveaxis(kernel, -1, -2))

    def give(self, model):
        """Assign the arrays to a model with layers of the same names."""
        for layer in model.layers:
            arrays = self._arrays.get(layer.name, [])
            for variable, array in zip(layer.weights, arrays, strict=True):
                variable.assign(array)


def spread(kept, way, array):
    """Return the indices of units on a last axis that may repeat them.

    A flattened image has all units of the first position, then of the next one.
    """
    times = array.shape[-1] // way.units
    return (np.arange(times)[:, None] * way.units + np.asarray(kept)).reshape(-1)


def _place(layer, variable):
    [place] = [i for i, other in enumerate(layer.weights) if other is variable]
    return place


def reaches(way, spans):
    """Yield each taker with its kernel, and the spans of its inputs, by position.

    Shapes: kernel `(positions, units, outputs)`, lowest and highest
    `(positions, units)`. For a `Dense` layer behind a `Flatten`, positions are those of
    the image. For others they are those of the kernel, and the spans are over all
    positions, of shape `(1, units)`.
    """
    for taker, tensor in way.takers:
        low, high = spans[id(tensor)]
        kernel = np.array(taker.kernel.numpy())
        kernel = kernel.reshape(-1, way.units, kernel.shape[-1])
        low, high = low.reshape(-1, way.units), high.reshape(-1, way.units)
        if not (isinstance(taker, keras.layers.Dense) and len(low) == len(kernel)):
            low, high = low.min(0, keepdims=True), high.max(0, keepdims=True)
        yield taker, kernel, low, high
