"""Ways: layers that compute units, layers that sum over them, and layers between."""

import dataclasses
from typing import Any

import keras

from kcomponents import _keras, layers

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
