"""The numbers that differ between trials, which a compiled step reads from a variable.

They are regularization factors, dropout rates, slopes and the like.
"""

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from kcomponents import _keras, regularizers
from kcomponents._backends import model_reuse as backend
from kcomponents._keras.model_reuse import own_variables, spatial_noise_shape


class Numbers:
    """The numbers of a model, in a variable that its compiled step reads."""

    def __init__(self, model):
        self._places = list(_places(model))
        found = [place.numbers() for place in self._places]
        self._variable = keras.Variable(
            np.array(sum(found, [0.0]), "float32"),
            trainable=False,
            dtype="float32",
            autocast=False,
            name="numbers",
        )
        extra, start = [self._variable], 1
        for place, numbers in zip(self._places, found, strict=True):
            end = start + len(numbers)
            extra += place.read_from(self._reader(start, end))
            start = end
        # The step needs it, but it is no weight of the model.
        _keras.add_to_model(model, extra)

    def copy(self, fresh):
        """Copy the numbers of a model of the same structure."""
        others = list(_places(fresh))
        for mine, its in zip(self._places, others, strict=True):
            mine.copy(its)
        values = sum([place.numbers() for place in others], [0.0])
        self._variable.assign(np.array(values, "float32"))

    def _reader(self, start, end):
        return lambda: [self._variable[i] for i in range(start, end)]


def reads_variable(layer):
    """Return whether a compiled step already reads numbers of a layer."""
    own = [type(found) is VariableRegularizer for _, _, found in _regularizers(layer)]
    return any(own) or type(vars(layer).get("call")) is FormulaCall


# The places of numbers in a model


def _places(model):
    """Yield the places of numbers in a model, in the same order for one structure."""
    seen = set()
    for layer in _keras.layers_of(model):
        if type(layer) in FORMULAS:
            yield _LayerPlace(layer)
        for owner, name, found in _regularizers(layer):
            # Not `type(found)`, which is `VariableRegularizer` after `read_from`.
            if found.__class__ in FACTORS and id(owner) not in seen:
                seen.add(id(owner))
                yield _RegularizerPlace(owner, name)


def _regularizers(layer):
    """Yield owner, attribute name and regularizer for each regularizer of a layer."""
    owners = [(layer, "activity_regularizer")]
    owners += [(variable, "regularizer") for variable in own_variables(layer)]
    for owner, name in owners:
        # Random states do not have this attribute.
        found = getattr(owner, name, None)
        if found is not None:
            yield owner, name, found


class _RegularizerPlace:
    """An attribute of a variable or layer that is a regularizer."""

    def __init__(self, owner, name):
        self.owner, self.name = owner, name

    def plain(self):
        regularizer = getattr(self.owner, self.name)
        if type(regularizer) is VariableRegularizer:
            return regularizer.plain
        return regularizer

    def numbers(self):
        config = self.plain().get_config()
        return [float(config[name]) for name in FACTORS[type(self.plain())]]

    def read_from(self, read):
        setattr(self.owner, self.name, VariableRegularizer(self.plain(), read))
        return []

    def copy(self, other):
        getattr(self.owner, self.name).plain = other.plain()


class _LayerPlace:
    """A layer with a number, such as a dropout rate."""

    def __init__(self, layer):
        self.layer, self.formula = layer, FORMULAS[type(layer)]

    def numbers(self):
        return self.formula.numbers(getattr(self.layer, self.formula.name))

    def read_from(self, read):
        self.seed = vars(self.layer).get("seed_generator")
        extra = []
        if self.seed is None and self.formula.training:
            # With rate 0 the layer has no seed generator. A fixed seed, because drawing
            # one would change the seeds of other layers.
            self.seed = keras.random.SeedGenerator(0)
            extra = [self.seed.state]
        # Without `__setattr__`, which would track it on some backends.
        self.layer.__dict__["call"] = FormulaCall(self.layer, read, self.seed)
        return extra

    def copy(self, other):
        name = self.formula.name
        setattr(self.layer, name, getattr(other.layer, name))
        if self.seed is not None:
            its = vars(other.layer).get("seed_generator")
            self.seed.state.assign([0, 0] if its is None else its.state)


# Regularizers

# Classes → their arguments that are plain factors of a formula.
FACTORS = {
    keras.regularizers.L1: ("l1",),
    keras.regularizers.L1L2: ("l1", "l2"),
    keras.regularizers.L2: ("l2",),
    keras.regularizers.OrthogonalRegularizer: ("factor",),
    regularizers.ElasticNet: ("strength", "l1_ratio"),
    regularizers.GroupLasso: ("factor",),
    regularizers.KLSparsity: ("factor",),
    regularizers.L1: ("l1",),
    regularizers.L1L2: ("l1", "l2"),
    regularizers.L2: ("l2",),
    regularizers.Orthogonal: ("factor",),
    regularizers.SparseGroupLasso: ("factor", "l1_ratio"),
}


class VariableRegularizer(keras.regularizers.Regularizer):
    """A regularizer that reads its factors, and otherwise behaves like a plain one."""

    def __init__(self, plain, read):
        self.plain = plain
        self.read = read

    # Files and reports need the name of the plain class.
    @property
    def __class__(self):
        return type(self.plain)

    def __reduce_ex__(self, protocol):
        return self.plain.__reduce_ex__(protocol)

    def __getattr__(self, name):
        return getattr(self.plain, name)

    def __call__(self, x):
        if type(self.plain) is keras.regularizers.L1L2:
            return _l1_l2(x, *self.read())
        twin = copy.copy(self.plain)
        vars(twin).update(zip(FACTORS[type(twin)], self.read(), strict=True))
        return twin(x)

    def get_config(self):
        return self.plain.get_config()


def _l1_l2(x, l1, l2):
    """Return Keras's `L1L2`, which skips a term if its factor is 0."""
    total = ops.zeros((), dtype=x.dtype)
    for factor, size in (l1, ops.absolute), (l2, ops.square):
        term = ops.cast(factor, x.dtype) * ops.sum(size(x))
        total += ops.where(factor != 0, term, ops.zeros_like(term))
    return total


# Layers


class Formula(NamedTuple):
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


class FormulaCall:
    """A layer's `call` that reads its numbers from a variable in each step."""

    def __init__(self, layer, read, seed):
        self.layer, self.read, self.seed = layer, read, seed

    def __call__(self, inputs, training=False):
        formula = FORMULAS[type(self.layer)]
        if formula.training and not training:
            return inputs
        return formula.compute(self.layer, inputs, self.read(), self.seed)


# The minimum of SELU, with Keras's constants.
_SELU_MINIMUM = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


def _shape(inputs, noise_shape):
    shape = ops.shape(inputs)
    if noise_shape is None:
        return shape
    pairs = zip(shape, noise_shape, strict=True)
    return tuple(size if own is None else own for size, own in pairs)


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
    mask = keras.random.uniform(shape, seed=seed) >= numbers[0]
    mask = ops.cast(mask, inputs.dtype)
    scale, shift = (ops.cast(number, inputs.dtype) for number in numbers[1:])
    return scale * (inputs * mask + _SELU_MINIMUM * (1 - mask)) + shift


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


_SPATIAL = Formula("rate", backend.dropout_numbers, _spatial_dropout, 1)

FORMULAS = {
    keras.layers.AlphaDropout: Formula("rate", _alpha_numbers, _alpha_dropout, 1),
    keras.layers.Dropout: Formula("rate", backend.dropout_numbers, _dropout, 1),
    keras.layers.ELU: Formula("alpha", lambda a: [a], _elu, training=False),
    keras.layers.GaussianDropout: Formula(
        "rate", lambda rate: [math.sqrt(rate / (1.0 - rate))], _gaussian_dropout, 1
    ),
    keras.layers.GaussianNoise: Formula("stddev", lambda s: [s], _gaussian_noise),
    keras.layers.LeakyReLU: Formula(
        "negative_slope", lambda slope: [slope], _leaky_relu, training=False
    ),
    keras.layers.SpatialDropout1D: _SPATIAL,
    keras.layers.SpatialDropout2D: _SPATIAL,
    keras.layers.SpatialDropout3D: _SPATIAL,
}
