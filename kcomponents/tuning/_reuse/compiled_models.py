"""Compiled models, kept for trials that differ in nothing but numbers.

To trace and compile a training step costs more than most short trials spend on
training. A step does not depend on the first weights, nor on the learning rate, nor on
numbers that it reads from a variable: factors of penalties, rates of dropout, slopes.
"""

import keras

from kcomponents import _backends, _keras
from kcomponents._backends._reuse import forget_models
from kcomponents._keras._reuse import look_once, own_variables
from kcomponents.tuning._reuse.key import structure_of
from kcomponents.tuning._reuse.layers import READINGS
from kcomponents.tuning._reuse.numbers import Numbers


class CompiledModels:
    """The compiled models of the last structures, each ready to train as a fresh one.

    A model of the same structure as an earlier one is answered with that one, after it
    has taken over the weights, the state of all random numbers, the optimizer's state
    and all numbers of the model that was built. Trained, it gives what that would give;
    its weights, files and attributes are the same.

    A model whose structure is not known for certain is returned as it is: one with
    layers, losses, metrics, training steps or an optimizer of the user's own, with
    functions as activations or losses that are not Keras's, without known input shape,
    or under a distribution. So are all models where nothing is compiled.

    The targets of all trials must be of one form: what `"accuracy"` means was decided
    by those of the first. Logs have the metrics' names of the first, too, where Keras
    made them up.

    Args:
        size: Int, how many models are kept at most. Defaults to `16`.
        weights: Int, how many weights they have together, unless one alone has more.
            Defaults to `2**25`.

    Attributes:
        reused: Bool, whether the last model had been compiled before.
        let_go: Bool, whether others made room for it.
    """

    def __init__(self, size=16, weights=2**25):
        self.size, self.weights = size, weights
        self.reused = self.let_go = False
        self._kept = {}

    def model_for(self, fresh):
        """Return a compiled model that trains as this one does, for use in its place.

        Args:
            fresh: Compiled Keras model. It must not be used again.
        """
        self.reused = self.let_go = False
        structure = structure_of(fresh)
        if structure is None:
            return fresh
        kept = self._kept.pop(structure, None)
        if kept is not None and kept.serves(fresh, structure):
            kept.become(fresh)
            self.reused = True
            forget_models()
        else:
            kept = _Kept(fresh)
        self._kept[structure] = kept
        while len(self._kept) > 1 and self._is_too_much():
            # The one used least recently: each use puts its model last.
            del self._kept[next(iter(self._kept))]
            self.let_go = True
        return kept.model

    def holds(self, model):
        """Return whether the model is one of those that are kept."""
        return any(kept.model is model for kept in self._kept.values())

    def _is_too_much(self):
        weights = sum(kept.model.count_params() for kept in self._kept.values())
        return len(self._kept) > self.size or weights > self.weights


class _Kept:
    """A model, with the numbers that its compiled steps read."""

    def __init__(self, model):
        self.model = model
        self._optimizer = model.optimizer
        self._numbers = Numbers(model)

    def serves(self, fresh, structure):
        """Return whether the trials before left the model as its steps were traced."""
        own = self.model.optimizer is self._optimizer is not fresh.optimizer
        return own and structure_of(self.model, held=True) == structure

    def become(self, fresh):
        """Take over all state of a model of the same structure."""
        # A trial that broke off may have left it elsewhere.
        _backends.synchronize(self.model)
        for mine, its in zip(
            _keras.layers_of(self.model), _keras.layers_of(fresh), strict=True
        ):
            _take_attributes(mine, its)
            if type(mine) not in READINGS:
                _assign(own_variables(mine), own_variables(its))
        self._numbers.take(fresh)
        for model in (self.model, fresh):
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
        _assign(self._optimizer.variables, fresh.optimizer.variables)
        self.model.reset_metrics()
        self.model.stop_training = False
        _keras.begun(self.model)
        look_once(self.model)


def _assign(mine, its):
    for variable, other in zip(mine, its, strict=True):
        # A copy: memory that is shared would be given away with the step.
        variable.assign(keras.ops.copy(other))


def _take_attributes(mine, its):
    """Take over what a config tells of numbers and of first values."""
    kinds = keras.regularizers.Regularizer, keras.initializers.Initializer
    for name, value in vars(its).items():
        if isinstance(value, kinds) and name != "activity_regularizer":
            setattr(mine, name, value)
