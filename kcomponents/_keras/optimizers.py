"""Optimizers: variables, learning rate, clipping, averages and iterations."""

import inspect

import keras

from kcomponents import _backends
from kcomponents._keras.features import missing, needed


def unscaled(optimizer):
    """Return the optimizer inside a `LossScaleOptimizer`, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def unscaled_optimizer(model):
    """Return the optimizer that gets the gradients without loss scale, or None."""
    return unscaled(getattr(model, "optimizer", None))


def build_optimizer(model):
    """Build the optimizer of a model as its first step does, if it is not built yet."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or optimizer.built:
        return
    variables = model.trainable_variables
    if not _backends.builds_optimizer_in_step:
        optimizer.build(variables)
        return
    if optimizer is not unscaled(optimizer):
        # `apply_gradients` hands a tuple over, which is kept.
        variables = tuple(variables)
    with _backends.scope(model), keras.name_scope(optimizer.name, caller=optimizer):
        optimizer.build(variables)


def optimized_variables(optimizer):
    """Return the variables that a built optimizer updates, in its order."""
    return needed(optimizer, "Optimizer._trainable_variables")


def learning_rate_source(optimizer):
    """Return the learning rate schedule or callable, or None for a number.

    `optimizer.learning_rate` is only the current value.
    """
    source = getattr(optimizer, "_learning_rate", None)
    if not hasattr(optimizer, "_learning_rate"):
        rate = optimizer.get_config().get("learning_rate")
        if not isinstance(rate, float | int | None):
            raise missing("Optimizer._learning_rate")
    return None if isinstance(source, keras.Variable) else source


def carry_over(source, target):
    """Copy to `target`, made from the config of `source`, what a config leaves out."""
    names = "_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"
    if getattr(source, "weight_decay", None):
        _check_sets(keras.optimizers.Optimizer.exclude_from_weight_decay, names)
    for name in names:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))
    if source.built:
        target.build(optimized_variables(source))
        # A subclass may have variables of its own, which come after these.
        pairs = zip(target.variables, source.variables, strict=False)
        for variable, known in pairs:
            variable.assign(known.numpy())


def _check_sets(method, names):
    """Raise if a method does not set these attributes, which exist only afterwards."""
    code = getattr(inspect.unwrap(method), "__code__", None)
    for name in names if code is not None else ():
        if name not in code.co_names:
            raise missing(f"Optimizer.{name}")


def clipping_method():
    """Return the name of the method that gets the gradients right before the update.

    Every backend calls `grads = self._clip_gradients(grads)`.
    """
    needed(keras.optimizers.Optimizer, "Optimizer._clip_gradients")
    return "_clip_gradients"


class AccumulatedGradients:
    """Optimizer mixin: `process_accumulated` gets the mean of accumulated gradients.

    Keras has no public hook between the accumulation of gradients and the update; all
    backends clip there. Without `gradient_accumulation_steps` it is not called.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        needed(self, "Optimizer._trainable_variables")
        if self.gradient_accumulation_steps:
            needed(super(), "Optimizer._backend_apply_gradients")
            needed(super(), "Optimizer._clip_gradients")

    def process_accumulated(self, grads, variables):
        """Return the gradients to apply to `variables`."""
        return grads

    def _backend_apply_gradients(self, grads, trainable_variables):
        # Not with `__setattr__`, which would track them as variables of the optimizer.
        self.__dict__["_variables_to_apply"] = trainable_variables
        super()._backend_apply_gradients(grads, trainable_variables)

    def _clip_gradients(self, grads):
        grads = super()._clip_gradients(grads)
        if not self.gradient_accumulation_steps:
            return grads
        return self.process_accumulated(grads, self.__dict__["_variables_to_apply"])


def moving_averages(optimizer):
    """Return pairs of a variable and its moving average, if there are any."""
    optimizer = unscaled(optimizer)
    pairs = []
    for part in getattr(optimizer, "optimizers", [optimizer]):
        if getattr(part, "use_ema", False) and part.built:
            values = needed(part, "Optimizer._model_variables_moving_average")
            pairs += zip(optimized_variables(part), values, strict=True)
    return pairs


def averages_in_model(swap):
    """Return whether `SwapEMAWeights` has replaced the weights by their averages."""
    return needed(swap, "SwapEMAWeights._ema_weights_in_model")


def iterations_of(model):
    """Return how many steps a model's optimizer has done, 0 without an optimizer."""
    return int(keras.ops.convert_to_numpy(iterations_on_device(model)))


def iterations_on_device(model):
    """Return the same number as a tensor, without waiting for the device."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 0
    [steps] = _backends.snapshot([optimizer.iterations])
    return steps
