"""A cache of compiled models, reused by trials that differ in numbers only.

In a short trial, tracing and compiling the training step takes most of the time. The
step does not depend on the initial weights, the learning rate, and the numbers that it
reads from a variable: regularization factors, dropout rates, slopes.
"""

import gc

import keras

from kcomponents import _backends, _keras
from kcomponents._backends.model_reuse import forget_models, leaves_graphs
from kcomponents._keras.model_reuse import draw_first_batch, forget_names, own_variables
from kcomponents.tuning._reuse.numbers import FORMULAS, Numbers
from kcomponents.tuning._reuse.structure import structure_of


class CompiledModels:
    """A cache of compiled models, one for each structure, that train like new models.

    For a new model with a known structure, the cache returns the compiled model of this
    structure, after copying the new model's weights, random states, optimizer state and
    numbers to it. It trains exactly like the new model; its weights, files and
    attributes are equal.

    A model is returned unchanged if its structure is uncertain: if it has custom
    layers, losses, metrics, training steps, optimizers or activation functions, no
    known input shape, or a distribution. The same holds where nothing is compiled.

    The targets of all trials must have the same form: the first ones define the meaning
    of `"accuracy"`. Metrics with generated names are named as in the first model.

    Args:
        size: Integer, most models in the cache. Defaults to `16`.
        weights: Integer, most weights of all cached models together; a single model may
            have more. Defaults to `2**25`.

    Attributes:
        reused: Boolean, whether the last model came from the cache.
        has_evicted: Boolean, whether the last call removed other models from the cache.
    """

    def __init__(self, size=16, weights=2**25):
        self.size, self.weights = size, weights
        self.reused = self.has_evicted = False
        # Structure → its cached model, the least recently used first.
        self._models = {}

    def model_for(self, fresh):
        """Return a compiled model that trains like `fresh`, to use instead of it.

        Args:
            fresh: Compiled Keras model. It must not be used again.
        """
        self.reused = self.has_evicted = False
        structure = structure_of(fresh)
        if structure is None:
            return fresh
        cached = self._models.pop(structure, None)
        if cached is not None and cached.can_replace(fresh, structure):
            cached.copy_state(fresh)
            self.reused = True
            forget_models()
        else:
            cached = _CachedModel(fresh)
        # At the end, as the most recently used one.
        self._models[structure] = cached
        while len(self._models) > 1 and self._is_too_large():
            del self._models[next(iter(self._models))]
            self.has_evicted = True
        return cached.model

    def holds(self, model):
        """Return whether the model is in the cache."""
        return any(cached.model is model for cached in self._models.values())

    def _is_too_large(self):
        weights = sum(cached.model.count_params() for cached in self._models.values())
        return len(self._models) > self.size or weights > self.weights


class _CachedModel:
    """A cached model, with the numbers that its compiled steps read."""

    def __init__(self, model):
        self.model = model
        self._optimizer = model.optimizer
        self._numbers = Numbers(model)

    def can_replace(self, fresh, structure):
        """Return whether earlier trials left the model's structure unchanged."""
        own = self.model.optimizer is self._optimizer is not fresh.optimizer
        return own and structure_of(self.model, cached=True) == structure

    def copy_state(self, fresh):
        """Copy all state from a model of the same structure."""
        # An interrupted trial may have left the state elsewhere.
        _backends.synchronize(self.model)
        for mine, its in zip(
            _keras.layers_of(self.model), _keras.layers_of(fresh), strict=True
        ):
            _copy_attributes(mine, its)
            if type(mine) not in FORMULAS:
                _assign(own_variables(mine), own_variables(its))
        self._numbers.copy(fresh)
        for model in (self.model, fresh):
            _keras.build_optimizer(model)
        _assign(self._optimizer.variables, fresh.optimizer.variables)
        self.model.reset_metrics()
        self.model.stop_training = False
        _keras.reset_first_epoch(self.model)
        draw_first_batch(self.model)


def _assign(mine, its):
    for variable, other in zip(mine, its, strict=True):
        # A copy: a compiled step may donate its buffers.
        variable.assign(keras.ops.copy(other))


def _copy_attributes(mine, its):
    """Copy regularizers and initializers, which appear in the config."""
    kinds = keras.regularizers.Regularizer, keras.initializers.Initializer
    for name, value in vars(its).items():
        if isinstance(value, kinds) and name != "activity_regularizer":
            setattr(mine, name, value)


class TrialModels:
    """Builds or reuses the model of each trial.

    Args:
        reuse: Boolean, whether trials with the same structure share a compiled model.

    Attributes:
        reused: Boolean, whether the last model came from the cache.
    """

    def __init__(self, reuse):
        self._cache = CompiledModels() if reuse else None
        self.reused = False
        # Whether a model can be released since the last trial.
        self._has_garbage = True

    def holds(self, model):
        """Return whether a model may be reused by a later trial."""
        return self._cache is not None and self._cache.holds(model)

    def model_for(self, build, hp):
        """Return the model that `build` returns, or an equivalent compiled one."""
        if leaves_graphs and self._has_garbage:
            gc.collect()
            forget_models()
        forget_names()
        if self._cache is None:
            return build(hp)
        model = self._cache.model_for(build(hp))
        self.reused = self._cache.reused
        self._has_garbage = self._cache.has_evicted or not self.holds(model)
        return model
