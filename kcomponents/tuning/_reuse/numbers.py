"""Numbers: the numbers that differ between trials, in a variable of the step."""

import copy

import keras
import numpy as np
from keras import ops

from kcomponents import _keras, regularizers
from kcomponents._keras._reuse import own_variables
from kcomponents.tuning._reuse.layers import READINGS, ReadingCall

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


class ReadRegularizer(keras.regularizers.Regularizer):
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


class _RegularizerPlace:
    """An attribute of a variable or layer that is a regularizer."""

    def __init__(self, owner, name):
        self.owner, self.name = owner, name

    def plain(self):
        regularizer = getattr(self.owner, self.name)
        if type(regularizer) is ReadRegularizer:
            return regularizer.plain
        return regularizer

    def numbers(self):
        config = self.plain().get_config()
        return [float(config[name]) for name in FACTORS[type(self.plain())]]

    def hold(self, read):
        setattr(self.owner, self.name, ReadRegularizer(self.plain(), read))
        return []

    def take(self, other):
        getattr(self.owner, self.name).plain = other.plain()


class _LayerPlace:
    """A layer with a number, such as a dropout rate."""

    def __init__(self, layer):
        self.layer, self.reading = layer, READINGS[type(layer)]

    def numbers(self):
        return self.reading.numbers(getattr(self.layer, self.reading.name))

    def hold(self, read):
        self.seed = vars(self.layer).get("seed_generator")
        riders = []
        if self.seed is None and self.reading.training:
            # With rate 0 the layer has no seed generator. A fixed seed, because drawing
            # one would change the seeds of other layers.
            self.seed = keras.random.SeedGenerator(0)
            riders = [self.seed.state]
        # Without `__setattr__`, which would track it on some backends.
        self.layer.__dict__["call"] = ReadingCall(self.layer, read, self.seed)
        return riders

    def take(self, other):
        name = self.reading.name
        setattr(self.layer, name, getattr(other.layer, name))
        if self.seed is not None:
            its = vars(other.layer).get("seed_generator")
            self.seed.state.assign([0, 0] if its is None else its.state)


def _places(model):
    """Yield the places of numbers in a model, in the same order for one structure."""
    seen = set()
    for layer in _keras.layers_of(model):
        if type(layer) in READINGS:
            yield _LayerPlace(layer)
        for owner, name, found in _regularizers(layer):
            # Not `type(found)`, which is `ReadRegularizer` after `hold`.
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
        riders, start = [self._variable], 1
        for place, numbers in zip(self._places, found, strict=True):
            end = start + len(numbers)
            riders += place.hold(self._reader(start, end))
            start = end
        # The step needs it, but it is no weight of the model.
        _keras.board_model(model, riders)

    def take(self, fresh):
        """Copy the numbers of a model of the same structure."""
        others = list(_places(fresh))
        for mine, its in zip(self._places, others, strict=True):
            mine.take(its)
        values = sum([place.numbers() for place in others], [0.0])
        self._variable.assign(np.array(values, "float32"))

    def _reader(self, start, end):
        return lambda: [self._variable[i] for i in range(start, end)]


def is_held(layer):
    """Return whether a compiled step already reads numbers of a layer."""
    held = [type(found) is ReadRegularizer for _, _, found in _regularizers(layer)]
    return any(held) or type(vars(layer).get("call")) is ReadingCall
