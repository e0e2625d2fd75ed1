"""Numbers that trials differ in, in a variable that the compiled step reads."""

import copy

import keras
import numpy as np
from keras import ops

from kcomponents import _keras, regularizers
from kcomponents._keras._reuse import own_variables
from kcomponents.tuning._reuse.layers import READINGS, ReadingCall

# Classes → the arguments that are numbers and nothing but factors in a formula.
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
    """A regularizer that reads its numbers, and shows those of a plain one."""

    def __init__(self, plain, read):
        self.plain = plain
        self.read = read

    # Files and reports name the class of what they find.
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
    """Return Keras's `L1L2`, which leaves out a term whose factor is 0."""
    total = ops.zeros((), dtype=x.dtype)
    for factor, size in (l1, ops.absolute), (l2, ops.square):
        term = ops.cast(factor, x.dtype) * ops.sum(size(x))
        total += ops.where(factor != 0, term, ops.zeros_like(term))
    return total


class _RegularizerPlace:
    """An attribute of a variable or a layer that holds a regularizer."""

    def __init__(self, owner, name):
        self.owner, self.name = owner, name

    def plain(self):
        found = getattr(self.owner, self.name)
        return found.plain if type(found) is ReadRegularizer else found

    def numbers(self):
        config = self.plain().get_config()
        return [float(config[name]) for name in FACTORS[type(self.plain())]]

    def hold(self, read):
        setattr(self.owner, self.name, ReadRegularizer(self.plain(), read))
        return []

    def take(self, other):
        getattr(self.owner, self.name).plain = other.plain()


class _LayerPlace:
    """A layer that computes from a number."""

    def __init__(self, layer):
        self.layer, self.reading = layer, READINGS[type(layer)]

    def numbers(self):
        return self.reading.numbers(getattr(self.layer, self.reading.name))

    def hold(self, read):
        self.seed = vars(self.layer).get("seed_generator")
        riders = []
        if self.seed is None and self.reading.training:
            # A rate of 0 needs none. With a seed, for one that is drawn is missed.
            self.seed = keras.random.SeedGenerator(0)
            riders = [self.seed.state]
        # Past `__setattr__`, which would track it on some backends.
        self.layer.__dict__["call"] = ReadingCall(self.layer, read, self.seed)
        return riders

    def take(self, other):
        name = self.reading.name
        setattr(self.layer, name, getattr(other.layer, name))
        if self.seed is not None:
            its = vars(other.layer).get("seed_generator")
            self.seed.state.assign([0, 0] if its is None else its.state)


def _places(model):
    """Yield the places of numbers in a model, equal ones for equal structures."""
    seen = set()
    for layer in _keras.layers_of(model):
        if type(layer) in READINGS:
            yield _LayerPlace(layer)
        for owner, name, found in _regularizers(layer):
            # Not by its type, which is another once its numbers are read.
            if found.__class__ in FACTORS and id(owner) not in seen:
                seen.add(id(owner))
                yield _RegularizerPlace(owner, name)


def _regularizers(layer):
    """Yield what holds a regularizer of a layer, by which name, and the regularizer."""
    owners = [(layer, "activity_regularizer")]
    owners += [(variable, "regularizer") for variable in own_variables(layer)]
    for owner, name in owners:
        # Random states have no such attribute.
        found = getattr(owner, name, None)
        if found is not None:
            yield owner, name, found


class Numbers:
    """The numbers of a model, put where its compiled step reads them."""

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
        riders, begin = [self._variable], 1
        for place, numbers in zip(self._places, found, strict=True):
            end = begin + len(numbers)
            riders += place.hold(self._reader(begin, end))
            begin = end
        # Along with the step, and no weight of the model.
        _keras.board_model(model, riders)

    def take(self, fresh):
        """Take over the numbers of a model of the same structure."""
        others = list(_places(fresh))
        for mine, its in zip(self._places, others, strict=True):
            mine.take(its)
        values = sum([place.numbers() for place in others], [0.0])
        self._variable.assign(np.array(values, "float32"))

    def _reader(self, begin, end):
        return lambda: [self._variable[i] for i in range(begin, end)]


def is_held(layer):
    """Return whether a compiled step reads numbers of a layer already."""
    held = [type(found) is ReadRegularizer for _, _, found in _regularizers(layer)]
    return any(held) or type(vars(layer).get("call")) is ReadingCall
