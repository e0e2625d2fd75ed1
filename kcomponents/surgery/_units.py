"""Units of a model: the layers that use them, their ranges on data, their weights."""

import dataclasses
import weakref
from typing import Any, NamedTuple

import keras
import numpy as np

from kcomponents import _keras, layers
from kcomponents._activation_traits import ELEMENTWISE
from kcomponents._checks import fail, positive_int


class Contribution(NamedTuple):
    """What units add to the sums of a layer, by position.

    For a `Dense` layer behind a `Flatten`, positions are those of the image. For others
    they are those of the kernel, and the ranges are over all positions.

    Args:
        consumer: The layer that sums over the units.
        kernel: Array of shape `(positions, units, outputs)`.
        low: Array of shape `(positions, units)` or `(1, units)`, the lowest values.
        high: Array of the same shape, the highest values.
    """

    consumer: Any
    kernel: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def fits_bias(self):
        """Whether the bias of the consumer can replace constant units.

        Not with padding: at the border of an image the inputs are zeros instead.
        """
        padding = getattr(self.consumer, "padding", "valid")
        return bool(self.consumer.use_bias) and padding == "valid"


@dataclasses.dataclass
class UnitPath:
    """The layer that computes some units, and the layers that use them.

    Args:
        producer: The layer that computes the units.
        between: List of layers that process each unit separately.
        consumers: List of pairs of a layer that sums over the units and its input
            tensor.
    """

    producer: Any
    between: list
    consumers: list

    @property
    def units(self):
        """Number of units."""
        return self.producer.kernel.shape[-1]

    def contributions(self, ranges):
        """Yield the `Contribution` to each consumer, with the result of `ranges_of`."""
        for consumer, tensor in self.consumers:
            kernel = np.array(consumer.kernel.numpy())
            kernel = kernel.reshape(-1, self.units, kernel.shape[-1])
            low, high = (bound.reshape(-1, self.units) for bound in ranges[id(tensor)])
            by_position = len(low) == len(kernel)
            if not (isinstance(consumer, keras.layers.Dense) and by_position):
                low, high = low.min(0, keepdims=True), high.max(0, keepdims=True)
            yield Contribution(consumer, kernel, low, high)

    def indices(self, units, array):
        """Return the indices of units on a last axis that may repeat them.

        A flattened image has all units of the first position, then of the next one.
        """
        starts = np.arange(0, array.shape[-1], self.units)
        return (starts[:, None] + np.asarray(units)).reshape(-1)


def paths_of(model):
    """Return the paths of the layers whose units can be removed one by one.

    Raises:
        ValueError: If the model has no graph of layers.
    """
    graph = _Graph(model)
    found = (graph.path(layer, out) for layer, out in graph.producers())
    return [path for path in found if path is not None]


class _Graph:
    """The calls of a model, by their input tensors."""

    def __init__(self, model):
        self._calls = _keras.calls_of(model)
        self._outputs = {id(tensor) for tensor in model.outputs}
        self._by_input, self._counts = {}, {}
        for call in self._calls:
            layer, inputs, _ = call
            self._counts[id(layer)] = self._counts.get(id(layer), 0) + 1
            for tensor in inputs:
                self._by_input.setdefault(id(tensor), []).append(call)

    def producers(self):
        """Yield each layer that computes separate units and is called once."""
        for layer, _, outputs in self._calls:
            once = self._counts[id(layer)] == 1
            if once and _sums(layer) and _is_elementwise(layer.activation):
                yield layer, outputs

    def path(self, producer, outputs):
        """Return the path of a layer, or None if its units cannot be separated."""
        path, tensors = UnitPath(producer, [], []), list(outputs)
        while tensors:
            tensor = tensors.pop()
            if id(tensor) in self._outputs:
                return None
            for layer, inputs, results in self._by_input.get(id(tensor), []):
                if len(inputs) != 1 or self._counts[id(layer)] > 1:
                    return None
                if _keeps_units_separate(layer):
                    path.between.append(layer)
                    tensors += results
                elif _sums(layer):
                    path.consumers.append((layer, tensor))
                else:
                    return None
        return path if path.consumers else None


WEIGHTED = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)
# Layers that process each unit separately.
SEPARATE = {
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


def _sums(layer):
    """Return whether a layer is a plain one with sums over all units of its input."""
    plain = getattr(layer, "quantization_mode", None) is None
    whole = getattr(layer, "groups", 1) == 1 and not getattr(layer, "lora_rank", None)
    return type(layer) in WEIGHTED and plain and whole and _units_are_last(layer)


def _keeps_units_separate(layer):
    if type(layer) is keras.layers.BatchNormalization:
        return layer.axis in (-1, len(layer.input.shape) - 1)
    if type(layer) is keras.layers.Activation:
        return _is_elementwise(layer.activation)
    return type(layer) in SEPARATE and _units_are_last(layer)


def _is_elementwise(activation):
    return getattr(activation, "__name__", None) in ELEMENTWISE


def _units_are_last(layer):
    return getattr(layer, "data_format", None) != "channels_first"


def ranges_of(model, paths, x, batch_size):
    """Return a dict of tensor id to the lowest and highest values over the samples.

    Args:
        model: `Sequential` or functional model.
        paths: List of `UnitPath`, whose consumers' input tensors are measured.
        x: Array, list or dict of arrays, or an iterable of batches of these, or of
            tuples that start with them.
        batch_size: Int, for arrays.
    """
    tensors = {id(tensor): tensor for path in paths for _, tensor in path.consumers}
    if not tensors:
        return {}
    hidden = _hidden_model(model, list(tensors.values()))
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


# Model → its hidden tensors, and a model that computes them, to be compiled once.
_hidden_models = weakref.WeakKeyDictionary()


def _hidden_model(model, tensors):
    known, hidden = _hidden_models.get(model, ((), None))
    if [id(tensor) for tensor in known] != [id(tensor) for tensor in tensors]:
        chain = isinstance(model, keras.Sequential)
        hidden = keras.Model(model.inputs[0] if chain else model.input, tensors)
        _hidden_models[model] = tensors, hidden
    return hidden


def _batches(x, size):
    arrays = keras.tree.flatten(x) if isinstance(x, list | dict) else [x]
    if not all(hasattr(array, "shape") for array in arrays):
        for batch in x:
            yield batch[0] if isinstance(batch, tuple) else batch
        return
    for start in range(0, len(arrays[0]) if arrays else 0, size):
        parts = [array[start : start + size] for array in arrays]
        yield keras.tree.pack_sequence_as(x, parts)


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
        """Return the array of a variable of a layer."""
        return self._arrays[layer.name][_position(layer, variable)]

    def set(self, layer, variable, array):
        """Replace the array of a variable of a layer."""
        self._arrays[layer.name][_position(layer, variable)] = array

    def keep_units(self, path, units):
        """Keep only these units, in all layers of the path."""
        for variable in path.producer.weights:
            array = self.get(path.producer, variable)
            self.set(path.producer, variable, array[..., units])
        for layer in path.between:
            for variable in layer.weights:
                array = self.get(layer, variable)
                if array.ndim and array.shape[-1] > 1:
                    self.set(layer, variable, array[..., path.indices(units, array)])
        for consumer, _ in path.consumers:
            kernel = np.moveaxis(self.get(consumer, consumer.kernel), -2, -1)
            kernel = kernel[..., path.indices(units, kernel)]
            self.set(consumer, consumer.kernel, np.moveaxis(kernel, -1, -2))

    def move_into_bias(self, path, ranges, units):
        """Add the constant contributions of these units to the next layers' biases."""
        for part in path.contributions(ranges):
            if not part.fits_bias:
                continue
            consumer, kernel = part.consumer, part.kernel
            # A range over all positions applies to each position of a kernel.
            middle = np.broadcast_to((part.low + part.high) / 2, kernel.shape[:2])
            added = np.einsum("pu,puo->o", middle[:, units], kernel[:, units])
            bias = self.get(consumer, consumer.bias)
            self.set(consumer, consumer.bias, bias + added.astype(bias.dtype))

    def assign_to(self, model):
        """Assign the arrays to a model with layers of the same names."""
        for layer in model.layers:
            arrays = self._arrays.get(layer.name, [])
            for variable, array in zip(layer.weights, arrays, strict=True):
                variable.assign(array)


def _position(layer, variable):
    [position] = [i for i, other in enumerate(layer.weights) if other is variable]
    return position
