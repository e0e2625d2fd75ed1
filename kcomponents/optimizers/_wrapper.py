"""Clipped: the mixin that adds clipping to the class of an optimizer."""

import functools
import warnings

import keras
from keras import ops

from kcomponents import _backends as backends
from kcomponents import _keras
from kcomponents._check import fail
from kcomponents._register import register
from kcomponents._sparse import merge, values, with_values
from kcomponents.clipping import global_norm
from kcomponents.optimizers._bounds import Bounds
from kcomponents.optimizers._checks import check_clippable, raise_unless_finite


@register
class Clipped(_keras.AccumulatedGradients):
    """Mixin that clips gradients by its `bounds` before the optimizer sees them.

    `clipnorm`, `clipvalue` and `global_clipnorm` of the optimizer itself stay `None`:
    otherwise Keras would clip a second time. A config holds the bounds under the key
    `"clipping"`, apart from Keras's arguments of the same names.
    """

    def apply(self, grads, trainable_variables=None):
        grads, variables = list(grads), self._variables_for(grads, trainable_variables)
        if len(grads) != len(variables) or all(g is None for g in grads):
            # Keras raises the error.
            return super().apply(grads, trainable_variables)
        grads, norm = self._prepare(grads, variables)
        if self.bounds.nonfinite != "skip":
            return self._clip_and_apply(grads, variables, norm)
        update, state = self._clip_and_apply, self.variables
        return backends.apply_if_finite(norm, update, grads, variables, state)

    def process_accumulated(self, grads, variables):
        grads = backends.sum_over_replicas(grads)
        return backends.on_first_replica(self.bounds.clip(grads, variables))

    def get_config(self):
        config = super().get_config()
        config["optimizer"] = _identity(self.optimizer_class)
        config["clipping"] = self.bounds.get_config()
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        bounds = Bounds.checked(**config.pop("clipping"))
        inner = {**config.pop("optimizer"), "config": config}
        optimizer = keras.saving.deserialize_keras_object(inner, custom_objects)
        return wrap(optimizer, bounds)

    def __reduce__(self):
        # The class is made at run time, so pickle cannot find it by name.
        load = functools.partial(keras.saving.deserialize_keras_object, safe_mode=False)
        return load, (keras.saving.serialize_keras_object(self),)

    def _variables_for(self, grads, variables):
        if variables is None:
            return _keras.optimized_variables(self) if self.built else []
        variables = list(variables)
        if grads and not self.built:
            # Keras would build within a branch of the graph.
            self.build(variables)
        return variables

    def _prepare(self, grads, variables):
        """Return the gradients to apply, and their global norm if it is needed."""
        found = _without_overwrites(grads, variables)
        if not self.gradient_accumulation_steps:
            found = backends.sum_over_replicas(found)
        found = [merge(g) for g in found]
        tensors = [values(g) for g in found]
        nonfinite, norm = self.bounds.nonfinite, None
        if nonfinite == "zero":
            tensors = [None if t is None else _zeroed(t) for t in tensors]
            found = map(with_values, found, tensors)
        elif nonfinite is not None:
            # The norm serves the bound and the check: it is finite if all entries are.
            norm = global_norm(tensors)
        if nonfinite == "raise":
            raise_unless_finite(norm, tensors, variables)
        if self.gradient_accumulation_steps:
            [norm] = backends.sum_over_replicas([norm])
        return _filled(found, grads), norm

    def _clip_and_apply(self, grads, variables, norm):
        if not self.gradient_accumulation_steps:
            found = _without_overwrites(grads, variables)
            tensors = [values(g) for g in found]
            unit = self.loss_scale_factor or 1.0
            tensors = self.bounds.clip(tensors, variables, norm, unit)
            tensors = backends.on_first_replica(tensors)
            grads = _filled(map(with_values, found, tensors), grads)
        super().apply(grads, variables)


def wrap(optimizer, bounds):
    """Return a new optimizer like the given one, with these bounds."""
    check_clippable(optimizer)
    if isinstance(optimizer, Clipped):
        fail("`optimizer` is clipped already: pass all bounds at once.", **vars(bounds))
    with warnings.catch_warnings():
        # Keras warns that a lambda cannot be saved; here it is only passed on.
        warnings.simplefilter("ignore")
        config = optimizer.get_config()
    if source := _keras.learning_rate_source(optimizer):
        config["learning_rate"] = source
    new = super(Clipped, _class_for(type(optimizer))).from_config(config)
    new.bounds = bounds
    _keras.carry_over(optimizer, new)
    return new


@functools.cache
def _class_for(base):
    names = {"optimizer_class": base, "__module__": __name__, "__doc__": base.__doc__}
    cls = type(f"Clipped{base.__name__}", (Clipped, base), names)
    # All classes are saved under one name, which must lead to `Clipped` when loaded.
    keras.saving.register_keras_serializable("kcomponents", "Clipped")(cls)
    register(Clipped)
    return cls


def _identity(cls):
    """Return the name of an optimizer's class in files, the same on all backends."""
    public = getattr(keras.optimizers, cls.__name__, None)
    # On PyTorch an optimizer has a private subclass of the same name.
    if cls.__module__.startswith("keras.") and public in cls.__mro__:
        module, registered_name = "keras.optimizers", None
    else:
        module = cls.__module__
        registered_name = keras.saving.get_registered_name(cls)
    return {
        "module": module,
        "class_name": cls.__name__,
        "registered_name": registered_name,
    }


def _without_overwrites(grads, variables):
    # Keras assigns some "gradients" to their variables: the scales of float8.
    kept = [not getattr(v, "overwrite_with_gradient", False) for v in variables]
    return [g if keep else None for g, keep in zip(grads, kept, strict=True)]


def _filled(grads, others):
    return [o if g is None else g for g, o in zip(grads, others, strict=True)]


def _zeroed(tensor):
    return ops.where(ops.isfinite(tensor), tensor, ops.zeros_like(tensor))
