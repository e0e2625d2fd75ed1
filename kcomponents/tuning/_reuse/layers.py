"""Layers whose numbers a compiled step can read from a variable."""

import math
from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import ops

from kcomponents._backends import _reuse as backend
from kcomponents._keras._reuse import spatial_noise_shape

# The minimum of SELU, with Keras's constants.
_SELU_MINIMUM = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


class Reading(NamedTuple):
    """How to compute a layer from numbers in a variable.

    Args:
        name: String, attribute of the layer with the original number.
        numbers: Function of this attribute that returns a list of floats.
        compute: Function of layer, inputs, numbers and seed generator.
        below: Float, upper limit of the attribute (exclusive).
        training: Boolean, whether the layer has an effect in training only.
    """

    name: str
    numbers: Callable
    compute: Callable
    below: float = math.inf
    training: bool = True


def _shape(inputs, noise_shape):
    shape = ops.shape(inputs)
    if noise_shape is None:
        return shape
    pairs = zip(shape, noise_shape, strict=True)
    return tuple(size if wanted is None else wanted for size, wanted in pairs)


def _dropout(layer, inputs, numbers, seed):
    shape = _shape(inputs, layer.noise_shape)
    return backend.dropout(inputs, numbers, shape, seed)


def _spatial_dropout(layer, inputs, numbers, seed):
    shape = spatial_noise_shape(layer, inputs)
    return backend.dropout(inputs, numbers, shape, seed)


def _alpha_numbers(rate):
    scale = ((1 - rate) * (1 + rate * _SELU_MINIMUM**2)) ** -0.5
    return [rate, scale, -scale * _SELU_MINIMUM * rate]


def _alpha_dropout(layer, inputs, numbers, seed):
    shape = _shape(inputs, layer.noise_shape)
    kept = keras.random.uniform(shape, seed=seed) >= numbers[0]
    kept = ops.cast(kept, inputs.dtype)
    scale, shift = (ops.cast(number, inputs.dtype) for number in numbers[1:])
    return scale * (inputs * kept + _SELU_MINIMUM * (1 - kept)) + shift


def _normal(layer, inputs, numbers, seed):
    [stddev] = numbers
    noise = keras.random.normal(ops.shape(inputs), dtype=layer.compute_dtype, seed=seed)
    return noise * ops.cast(stddev, noise.dtype)


def _gaussian_noise(layer, inputs, numbers, seed):
    return inputs + _normal(layer, inputs, numbers, seed)


def _gaussian_dropout(layer, inputs, numbers, seed):
    return inputs * (_normal(layer, inputs, numbers, seed) + 1.0)


def _leaky_relu(layer, inputs, numbers, seed):
    slope = ops.cast(numbers[0], inputs.dtype)
    return ops.where(backend.rectifies(inputs), inputs, slope * inputs)


def _elu(layer, inputs, numbers, seed):
    outputs = keras.activations.elu(inputs)
    return ops.where(inputs > 0, outputs, ops.cast(numbers[0], inputs.dtype) * outputs)


_SPATIAL = Reading("rate", backend.dropout_numbers, _spatial_dropout, 1)

READINGS = {
    keras.layers.AlphaDropout: Reading("rate", _alpha_numbers, _alpha_dropout, 1),
    keras.layers.Dropout: Reading("rate", backend.dropout_numbers, _dropout, 1),
    keras.layers.ELU: Reading("alpha", lambda a: [a], _elu, training=False),
    keras.layers.GaussianDropout: Reading(
        "rate", lambda rate: [math.sqrt(rate / (1.0 - rate))], _gaussian_dropout, 1
    ),
    keras.layers.GaussianNoise: Reading("stddev", lambda s: [s], _gaussian_noise),
    keras.layers.LeakyReLU: Reading(
        "negative_slope", lambda slope: [slope], _leaky_relu, training=False
    ),
    keras.layers.SpatialDropout1D: _SPATIAL,
    keras.layers.SpatialDropout2D: _SPATIAL,
    keras.layers.SpatialDropout3D: _SPATIAL,
}


class ReadingCall:
    """A layer's `call` that reads its numbers from a variable in each step."""

    def __init__(self, layer, read, seed):
        self.layer, self.read, self.seed = layer, read, seed

    def __call__(self, inputs, training=False):
        reading = READINGS[type(self.layer)]
        if reading.training and not training:
            return inputs
        return reading.compute(self.layer, inputs, self.read(), self.seed)
