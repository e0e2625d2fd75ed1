"""The one file that touches private Keras names, each pinned by a test.

`tests/test_keras_private.py` fails when Keras changes one of them.
"""

import contextlib
import inspect

import keras
from keras.src.backend.common import stateless_scope


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


def sublayers(layer):
    """Return the layers directly below a layer or model, in order."""
    return list(layer._layers)


def asked_metrics(model):
    """Return what `compile` was given as `metrics` and as `weighted_metrics`."""
    for metric in model.metrics:
        if hasattr(metric, "_user_weighted_metrics"):
            return [metric._user_metrics, metric._user_weighted_metrics]
    return []


# The one step of an optimizer that sees gradients after all else and hands on what is
# applied: `grads = self._clip_gradients(grads)`, on every backend.
CLIPPING = "_clip_gradients"


def in_stateless_scope():
    """Return whether assignments to variables are collected instead of done."""
    return stateless_scope.in_stateless_scope()


class Passenger:
    """What stands among the seed generators of a model: a variable and no weight.

    Keras carries the state of seed generators through a compiled step, yet neither
    counts it as a weight nor looks for it in this list when it saves.
    """

    def __init__(self, variable):
        self.state = variable


def board_model(model, variables):
    """Let the compiled step of a model carry these variables too."""
    model._seed_generators.extend(Passenger(variable) for variable in variables)


def leave_model(model, variables):
    """Take the variables out of the model."""
    ours = {id(variable) for variable in variables}
    riders = model._seed_generators
    riders[:] = [rider for rider in riders if id(rider.state) not in ours]


def board_optimizer(optimizer, variables):
    """Let the compiled step of an optimizer carry these variables too."""
    for variable in variables:
        optimizer._track_variable(variable)
    # Past `__setattr__`, which would track the list.
    optimizer.__dict__.setdefault("passengers", []).extend(variables)


def leave_optimizer(optimizer, variables):
    """Take the variables out of the optimizer."""
    for variable in variables:
        optimizer._untrack_variable(variable)
    ours = {id(variable) for variable in variables}
    others = optimizer.__dict__.pop("passengers", [])
    if others := [v for v in others if id(v) not in ours]:
        optimizer.__dict__["passengers"] = others


@contextlib.contextmanager
def without(optimizer, variables):
    """Hide these variables from whatever looks at the optimizer's state."""
    ours = {id(variable) for variable in variables}
    kept = optimizer._variables[:]
    optimizer._variables[:] = [v for v in kept if id(v) not in ours]
    try:
        yield
    finally:
        optimizer._variables[:] = kept


def built_metrics(model):
    """Return the metrics of a model, of those from `compile` what is built by now."""
    metrics = getattr(model, "metrics", ())
    return [part for metric in metrics for part in getattr(metric, "metrics", [metric])]


def metric_direction(metric):
    """Return `"up"` or `"down"`, what makes a metric better, or None if it says not."""
    return getattr(metric, "_direction", None)


def passengers(model):
    """Return the variables on board of a model and of its optimizer."""
    riders = [r for r in model._seed_generators if isinstance(r, Passenger)]
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return [r.state for r in riders] + getattr(optimizer, "passengers", [])


def validates_later():
    """Return whether the `fit` that is running validates, but not after each epoch."""
    frame = inspect.currentframe()
    try:
        while frame is not None:
            known = frame.f_locals
            if frame.f_code.co_name == "fit" and "validation_freq" in known:
                return known["validation_data"] is not None and (
                    known["validation_freq"] != 1
                )
            frame = frame.f_back
    finally:
        # A frame that refers to itself would keep alive all that it holds.
        del frame
    return False


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
