"""clipped: a Keras optimizer that clips gradients before its update."""

import dataclasses
import functools
import re
import warnings
from collections.abc import Sequence

import keras
from keras import ops

from kcomponents import _backends as backends
from kcomponents import _keras
from kcomponents._checks import fail, number, one_of
from kcomponents._registration import register
from kcomponents._tensors import merge, values, with_values
from kcomponents.clipping import (
    adaptive_clip,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
)
from kcomponents.optimizers.adaptive_bounds import (
    SMALLEST,
    AdaptiveBound,
    adaptive_bound,
)


def clipped(
    optimizer: str | keras.optimizers.Optimizer,
    *,
    global_clipnorm: float | None = None,
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    agc: float | None = None,
    adaptive: str | AdaptiveBound | None = None,
    nonfinite: str | None = "skip",
    exclude: str | Sequence[str] | None = None,
) -> keras.optimizers.Optimizer:
    """Return an optimizer of the same class that clips gradients.

    It clips the gradients that are applied: summed over replicas, averaged over
    accumulated steps, without the loss scale, and with the rows of an embedding
    summed. Several bounds act in the order `clipvalue`, `agc`, `clipnorm`, `adaptive`,
    `global_clipnorm`, and all of them hold at the end. Only `adaptive` adds variables:
    with the other bounds, an optimizer state saved without clipping can be loaded with
    clipping, and vice versa.

    The attributes `clipnorm`, `clipvalue` and `global_clipnorm` of the returned
    optimizer stay `None`, so Keras does not clip a second time.

    Args:
        optimizer: Keras optimizer, or its name. It is not changed: the returned
            optimizer has its settings and, if it is built, a copy of its state.
        global_clipnorm: Float above 0, the largest L2 norm of all gradients together;
            all are scaled by the same factor. Defaults to `None`, no bound.
        clipnorm: Float above 0, the largest L2 norm of each gradient. Defaults to
            `None`.
        clipvalue: Float above 0, the largest absolute value of an entry. Defaults to
            `None`.
        agc: Float above 0, the largest ratio of the norm of a unit's gradient to the
            norm of its weights ("adaptive gradient clipping"); 0.01 is usual. Defaults
            to `None`.
        adaptive: A bound on the L2 norm of all gradients together that follows the
            norms of the run: `"percentile"` of the norms seen, `"zscore"` for spikes
            only, or an `AdaptiveBound`, such as `NormZScore` with other arguments. What
            it remembers is saved with the optimizer, and a step that is skipped
            leaves it unchanged. Defaults to `None`.
        nonfinite: What happens if a gradient contains infinity or NaN: `"skip"` the
            whole update, which leaves weights, optimizer state and `iterations`
            unchanged; `"zero"` those entries; `"raise"` a `FloatingPointError` that
            names the variables, which needs `run_eagerly=True`; or `None` to apply
            them. Defaults to `"skip"`.
        exclude: String or list of strings, regular expressions searched in the paths
            of variables. Matching variables are not clipped by `agc`, which is usual
            for the last layer. Defaults to `None`.

    Returns:
        Optimizer, an instance of the class of `optimizer`.

    Raises:
        ValueError: If a bound is not above 0, if there is no bound and `nonfinite` is
            `None`, if `adaptive` is none of the above, if `optimizer` clips already, or
            if it is a `LossScaleOptimizer` (clip its inner optimizer instead).

    Example:
        >>> import keras
        >>> from kcomponents.optimizers import clipped
        >>> optimizer = clipped(keras.optimizers.Adam(0.01), global_clipnorm=1.0)
        >>> isinstance(optimizer, keras.optimizers.Adam)
        True
        >>> weight = keras.Variable([1.0, 1.0])
        >>> optimizer = clipped(keras.optimizers.SGD(0.5), clipnorm=25.0)
        >>> optimizer.apply([keras.ops.array([30.0, 40.0])], [weight])
        >>> keras.ops.convert_to_numpy(weight).tolist()
        [-6.5, -9.0]

    Reference:
        - Pascanu et al., [On the difficulty of training recurrent neural
          networks](https://arxiv.org/abs/1211.5063), 2013.
        - Brock et al., [High-performance large-scale image recognition without
          normalization](https://arxiv.org/abs/2102.06171), 2021.
    """
    bounds = Bounds.checked(
        global_clipnorm=global_clipnorm,
        clipnorm=clipnorm,
        clipvalue=clipvalue,
        agc=agc,
        adaptive=adaptive,
        nonfinite=nonfinite,
        exclude=exclude,
    )
    return _wrap(keras.optimizers.get(optimizer), bounds)


def _wrap(optimizer, bounds):
    """Return a new optimizer like the given one, with these bounds."""
    _check_clippable(optimizer)
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


def _check_clippable(optimizer):
    """Raise a ValueError for optimizers that `clipped` cannot wrap."""
    if optimizer is None:
        fail("`optimizer` must be a Keras optimizer or its name.", optimizer=None)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        rule = "Clip the inner optimizer instead: LossScaleOptimizer(clipped(...))."
        fail(rule, optimizer=optimizer)
    inner = getattr(optimizer, "optimizers", [])
    for each in (optimizer, *inner):
        for name in ("clipnorm", "global_clipnorm", "clipvalue"):
            limit = getattr(each, name, None)
            if limit is not None:
                rule = (
                    f"`optimizer` must not have its own `{name}`: pass it to `clipped`."
                )
                fail(rule, **{name: limit})
    if any(steps := [each.gradient_accumulation_steps for each in inner]):
        rule = "Optimizers in a MultiOptimizer must not accumulate gradients."
        fail(rule, gradient_accumulation_steps=steps)


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

    def build(self, variables):
        super().build(variables)
        bound = self.bounds.adaptive
        self.norm_history = [
            self.add_variable(
                shape,
                keras.initializers.Constant(value),
                "int" if isinstance(value, int) else "float32",
                aggregation="only_first_replica",
                name=name,
            )
            for name, (shape, value) in (bound.variables() if bound else {}).items()
        ]

    def process_accumulated(self, grads, variables):
        grads = backends.sum_over_replicas(grads)
        found = self.bounds.clip(grads, variables, state=self.norm_history)
        return backends.on_first_replica(found)

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
        return _wrap(optimizer, bounds)

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
        found = _without_assignments(grads, variables)
        if not self.gradient_accumulation_steps:
            found = backends.sum_over_replicas(found)
        found = [merge(g) for g in found]
        tensors = [values(g) for g in found]
        nonfinite, norm = self.bounds.nonfinite, None
        if nonfinite == "zero":
            tensors = [None if t is None else _finite_or_zero(t) for t in tensors]
            found = map(with_values, found, tensors)
        elif nonfinite is not None:
            # The norm serves the bound and the check: it is finite if all entries are.
            norm = global_norm(tensors)
        if nonfinite == "raise":
            _raise_unless_finite(norm, tensors, variables)
        if self.gradient_accumulation_steps:
            [norm] = backends.sum_over_replicas([norm])
        return _first_of(found, grads), norm

    def _clip_and_apply(self, grads, variables, norm):
        if not self.gradient_accumulation_steps:
            found = _without_assignments(grads, variables)
            tensors = [values(g) for g in found]
            unit = self.loss_scale_factor or 1.0
            state = self.norm_history
            tensors = self.bounds.clip(tensors, variables, norm, unit, state)
            tensors = backends.on_first_replica(tensors)
            grads = _first_of(map(with_values, found, tensors), grads)
        super().apply(grads, variables)


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


def _without_assignments(grads, variables):
    # Keras assigns some "gradients" to their variables: the scales of float8.
    kept = [not getattr(v, "overwrite_with_gradient", False) for v in variables]
    return [g if keep else None for g, keep in zip(grads, kept, strict=True)]


def _first_of(grads, others):
    return [o if g is None else g for g, o in zip(grads, others, strict=True)]


def _finite_or_zero(tensor):
    return ops.where(ops.isfinite(tensor), tensor, ops.zeros_like(tensor))


def _raise_unless_finite(norm, tensors, variables):
    """Raise an error that names the variables whose gradients are not finite."""
    try:
        finite = bool(ops.isfinite(norm))
    except TypeError as error:  # in a compiled step the norm has no value
        rule = "`nonfinite='raise'` needs eager steps: use `compile(run_eagerly=True)`."
        raise ValueError(rule) from error
    if not finite:
        paths = [
            getattr(v, "path", v.name)
            for t, v in zip(tensors, variables, strict=True)
            if t is not None and not bool(ops.all(ops.isfinite(t)))
        ]
        raise FloatingPointError(f"Gradients are not finite: {', '.join(paths)}.")


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The checked arguments of `clipped`; `None` sets no bound."""

    global_clipnorm: float | None
    clipnorm: float | None
    clipvalue: float | None
    agc: float | None
    adaptive: AdaptiveBound | None
    nonfinite: str | None
    exclude: tuple[str, ...] | None

    @classmethod
    def checked(cls, *, nonfinite, exclude, adaptive=None, **limits):
        """Return the bounds, or raise a ValueError for invalid arguments."""
        for name, limit in limits.items():
            if limit is not None:
                limits[name] = number(name, limit, 0, open_low=True)
        adaptive = adaptive_bound(adaptive)
        if nonfinite is not None:
            one_of("nonfinite", nonfinite, ("skip", "zero", "raise"))
        elif not any((*limits.values(), adaptive)):
            fail("Pass at least one bound or `nonfinite`.", nonfinite=None, **limits)
        if exclude is not None:
            if limits["agc"] is None:
                fail("`exclude` applies to `agc` only: pass `agc` too.", agc=None)
            exclude = _patterns(exclude)
        return cls(**limits, adaptive=adaptive, nonfinite=nonfinite, exclude=exclude)

    def get_config(self):
        """Return the arguments of `clipped` as plain values."""
        config = dataclasses.asdict(self)
        if self.adaptive:
            config["adaptive"] = keras.saving.serialize_keras_object(self.adaptive)
        else:
            # As it was before there were such bounds.
            del config["adaptive"]
        return {**config, "exclude": self.exclude and list(self.exclude)}

    def clip(self, grads, variables, norm=None, unit=1.0, state=()):
        """Return the clipped gradients; bounds act from the finest to the coarsest.

        A later bound only shortens gradients, so the earlier ones still hold. `norm`
        is the global norm if it was computed before. `unit` is the loss scale that
        the gradients still carry. `state` holds the variables of the adaptive bound.
        """
        if self.clipvalue:
            grads, norm = clip_by_value(grads, self.clipvalue * unit), None
        if self.agc:
            grads, norm = self._clip_adaptively(grads, variables, unit), None
        if self.clipnorm:
            grads, norm = clip_by_norm(grads, self.clipnorm * unit), None
        if self.adaptive:
            grads, norm = self._clip_to_history(grads, norm, unit, state), None
        if self.global_clipnorm:
            grads = clip_by_global_norm(grads, self.global_clipnorm * unit, norm)
        return grads

    def _clip_to_history(self, grads, norm, unit, state):
        norm = global_norm(grads) if norm is None else norm
        size, finite = ops.cast(norm, "float32") / unit, ops.isfinite(norm)
        old = [variable.value for variable in state]
        bound, new = self.adaptive.step(size, old)
        for variable, value, before in zip(state, new, old, strict=True):
            variable.assign(ops.where(finite, value, before))
        # A norm of 0 is not divided by itself.
        bound = ops.maximum(ops.where(finite, bound, size), SMALLEST)
        return clip_by_global_norm(grads, bound * unit, norm)

    def _clip_adaptively(self, grads, variables, unit):
        excluded = [self._excludes(variable) for variable in variables]
        chosen = [None if out else g for g, out in zip(grads, excluded, strict=True)]
        chosen = adaptive_clip(chosen, variables, self.agc * unit)
        return [
            g if out else c for g, c, out in zip(grads, chosen, excluded, strict=True)
        ]

    def _excludes(self, variable):
        path = getattr(variable, "path", variable.name)
        return any(re.search(pattern, path) for pattern in self.exclude or ())


def _patterns(exclude):
    exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    for pattern in exclude:
        if not isinstance(pattern, str):
            fail(
                "`exclude` must be a regular expression or a list of strings.",
                exclude=exclude,
            )
        try:
            re.compile(pattern)
        except re.error as error:
            fail(
                f"`exclude` must be a valid regular expression: {error}.",
                exclude=pattern,
            )
    return exclude
