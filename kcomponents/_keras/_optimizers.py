"""Of optimizers."""

import keras


def optimized_variables(optimizer):
    """Return the variables that a built optimizer updates, in its order."""
    return optimizer._trainable_variables


def learning_rate_source(optimizer):
    """Return the schedule or callable behind the learning rate, or None for a number.

    `optimizer.learning_rate` has only its value at the moment.
    """
    source = getattr(optimizer, "_learning_rate", None)
    return None if isinstance(source, keras.Variable) else source


def carry_over(source, target):
    """Give `target`, made from the config of `source`, what a config leaves out."""
    names = "_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"
    for name in names:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))
    if source.built:
        target.build(optimized_variables(source))
        target.set_weights([variable.numpy() for variable in source.variables])


# The one step of an optimizer that sees gradients after all else and hands on what is
# applied: `grads = self._clip_gradients(grads)`, on every backend.
CLIPPING = "_clip_gradients"


class AccumulatedGradients:
    """Optimizer mixin: `process_accumulated` sees the mean that Keras accumulated.

    Keras offers no public place between accumulating gradients and applying them; all
    backends clip there. Without `gradient_accumulation_steps` nothing is called.
    """

    def process_accumulated(self, grads, variables):
        """Return the gradients to apply to `variables`."""
        return grads

    def _backend_apply_gradients(self, grads, trainable_variables):
        # Past `__setattr__`, which would track these variables as the optimizer's own.
        self.__dict__["_variables_to_apply"] = trainable_variables
        super()._backend_apply_gradients(grads, trainable_variables)

    def _clip_gradients(self, grads):
        grads = super()._clip_gradients(grads)
        if not self.gradient_accumulation_steps:
            return grads
        return self.process_accumulated(grads, self.__dict__["_variables_to_apply"])


def averages(optimizer):
    """Return pairs of a variable and its moving average, where there are any."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    pairs = []
    for part in getattr(optimizer, "optimizers", [optimizer]):
        kept = getattr(part, "_model_variables_moving_average", None) or []
        if kept:
            pairs += zip(optimized_variables(part), kept, strict=True)
    return pairs


def averages_in_model(swap):
    """Return whether `SwapEMAWeights` has put the averages in the place of weights."""
    return swap._ema_weights_in_model
