"""Ways: layers that compute units, layers that sum over them, and layers between."""

import dataclasses
from typing import Any

import keras
import numpy as np

from kcomponents import _keras, layers
from kcomponents._checks import fail, positive_int

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
MAKERS = (keras.layers.Dense, *CONVOLUTIONS)
# Elementwise activations.
SEPARATE = {
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softplus",
    "softsign",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
}
# Layers that process each unit separately.
PASSING = {
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.ActivityRegularization,
    keras.layers.Flatten,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    layers.PReLU,
    layers.RReLU,
    layers.MCDropout,
    layers.MCSpatialDropout1D,
    layers.MCSpatialDropout2D,
    layers.MCSpatialDropout3D,
    layers.GradientClip,
}


@dataclasses.dataclass
class Way:
    """A layer that computes units, and the layers that use them.

    Args:
        maker: The layer that computes the units.
        between: List of layers that process each unit separately.
        takers: List of pairs of a layer that sums over the units and its input tensor.
    """

    maker: Any
    between: list
    takers: list

    @property
    def units(self):
        """Number of units."""
        return self.maker.kernel.shape[-1]


def ways_of(model):
    """Return the ways of the layers whose units can be removed one by one.

    Raises:
        ValueError: If the model has no graph of layers.
    """
    calls = _keras.calls_of(model)
    counts = {}
    for layer, _, _ in calls:
        counts[id(layer)] = counts.get(id(layer), 0) + 1
    once = [call for call in calls if counts[id(call[0])] == 1]
    graph = _Graph(calls, [id(tensor) for tensor in model.outputs], counts)
    found = (graph.way(layer, out) for layer, _, out in once if _makes(layer))
    return [way for way in found if way is not None]


class _Graph:
    """The calls of a model, by their input tensors."""

    def __init__(self, calls, outputs, counts):
        self._takers, self._outputs, self._counts = {}, set(outputs), counts
        for call in calls:
            for tensor in call[1]:
                self._takers.setdefault(id(tensor), []).append(call)

    def way(self, maker, outputs):
        """Return the way of a layer, or None if its units cannot be separated."""
        way, tensors = Way(maker, [], []), list(outputs)
        while tensors:
            tensor = tensors.pop()
            if id(tensor) in self._outputs:
                return None
            for layer, given, made in self._takers.get(id(tensor), []):
                if len(given) != 1 or self._counts[id(layer)] > 1:
                    return None
                if _passes(layer):
                    way.between.append(layer)
                    tensors += made
                elif _sums(layer):
                    way.takers.append((layer, tensor))
                else:
                    return None
        return way if way.takers else None


def _last_axis(layer):
    return getattr(layer, "data_format", None) != "channels_first"


def _sums(layer):
    plain = getattr(layer, "quantization_mode", None) is None
    whole = getattr(layer, "groups", 1) == 1 and not getattr(layer, "lora_rank", None)
    return type(layer) in MAKERS and plain and whole and _last_axis(layer)


def _makes(layer):
    return _sums(layer) and _separate(layer.activation)


def _separate(activation):
    return getattr(activation, "__name__", None) in SEPARATE


def _passes(layer):
    if type(layer) is keras.layers.BatchNormalization:
        return layer.axis in (-1, len(layer.input.shape) - 1)
    if type(layer) is keras.layers.Activation:
        return _separate(layer.activation)
    return type(layer) in PASSING and _last_axis(layer)


# Weights: copies of the arrays of a model, from which units are removed.


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


# Spans: the lowest and highest values of the units of a model on some data.


def spans_of(model, ways, x, batch_size):
    """Return a dict of tensor id to the lowest and highest values over the samples.

    Args:
        model: `Sequential` or functional model.
        ways: List of `Way`, whose takers' input tensors are measured.
        x: Array, list or dict of arrays, or an iterable of batches of these, or of
            tuples that start with them.
        batch_size: Int, for arrays.
    """
    tensors = {id(t): t for way in ways for _, t in way.takers}
    if not tensors:
        return {}
    chain = isinstance(model, keras.Sequential)
    inputs = model.inputs[0] if chain else model.input
    hidden = keras.Model(inputs, list(tensors.values()))
    low = high = None
    for batch in _batches(x, positive_int("batch_size", batch_size)):
        found = keras.tree.flatten(hidden.predict_on_batch(batch))
        lowest = [np.min(values, axis=0) for values in found]
        highest = [np.max(values, axis=0) for values in found]
        if low is not None:
            lowest = list(map(np.minimum, low, lowest))
            highest = list(map(np.maximum, high, highest))
        low, high = lowest, highest
    if low is None:
        fail("`x` must have at least one sample.", x=x)
    return dict(zip(tensors, zip(low, high, strict=True), strict=True))


def _batches(x, size):
    arrays = keras.tree.flatten(x) if isinstance(x, list | dict) else [x]
    if not all(hasattr(array, "shape") for array in arrays):
        for batch in x:
            yield batch[0] if isinstance(batch, tuple) else batch
        return
    for start in range(0, len(arrays[0]) if arrays else 0, size):
        parts = [array[start : start + size] for array in arrays]
        yield keras.tree.pack_sequence_as(x, parts)


# Idle units: their output is constant on the data, or has no effect.


def idle_units(way, spans, tolerance):
    """Return for each unit whether removing it changes no sum by more than `tolerance`.

    A unit adds its output times a weight to a sum. It is idle if this product is small,
    or if it varies little and the bias can hold its constant part.
    """
    idle = np.ones(way.units, bool)
    for taker, kernel, low, high in reaches(way, spans):
        largest = np.max(np.abs(kernel), axis=-1)
        varies = np.sum((high - low) * largest, axis=0)
        adds = np.sum(np.maximum(abs(low), abs(high)) * largest, axis=0)
        idle &= (adds <= tolerance) | (
            can_hold_constants(taker) & (varies <= tolerance)
        )
    return idle


def can_hold_constants(taker):
    """Return whether the bias of a layer can replace constant inputs.

    Not with padding: at the border of an image the inputs are zeros instead.
    """
    padding = getattr(taker, "padding", "valid")
    return bool(taker.use_bias) and padding == "valid"


def put_into_bias(weights, way, spans, units):
    """Add the constant contribution of these units to the biases of the next layers."""
    for taker, kernel, low, high in reaches(way, spans):
        if not can_hold_constants(taker):
            continue
        # A span over all positions applies to each position of a kernel.
        middle = np.broadcast_to((low + high) / 2, kernel.shape[:2])
        added = np.einsum("pu,puo->o", middle[:, units], kernel[:, units])
        bias = weights.get(taker, taker.bias)
        weights.set(taker, taker.bias, bias + added.astype(bias.dtype))
