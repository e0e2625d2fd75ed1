"""Variables: all variables that training changes in a model, in a fixed order."""

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._check import fail


def variables_of(model, with_optimizer=False):
    """Return the weights, the seeds and, if asked, the variables of optimizers.

    Variables of metrics and of monitors are left out.
    """
    variables = [*model.variables]
    for optimizer in optimizers_of(model) if with_optimizer else ():
        variables += optimizer.variables
    left_out = [*model.metrics_variables, *_keras.passengers(model)]
    seen, kept = {id(variable) for variable in left_out}, []
    for variable in variables:
        if id(variable) not in seen:
            seen.add(id(variable))
            kept.append(variable)
    return kept


def parts_of(variables):
    """Replace each variable that may differ between replicas by its replicas."""
    parts = []
    for variable in variables:
        parts += [variable] if variable.trainable else _backends.parts(variable)
    return parts


def optimizers_of(model):
    """Return the optimizer of `compile` and other optimizers in model attributes."""
    candidates = [model.optimizer, *_attributes(model)]
    optimizers, ids = [], set()
    for value in candidates:
        if isinstance(value, keras.optimizers.Optimizer) and id(value) not in ids:
            ids.add(id(value))
            optimizers.append(value)
    return optimizers


def _attributes(model):
    """Yield optimizers, and the items of lists and dicts, among the attributes."""
    for value in list(vars(model).values()):
        if isinstance(value, keras.optimizers.Optimizer):
            yield value
        elif isinstance(value, list | tuple):
            yield from value
        elif isinstance(value, dict):
            yield from value.values()


def build_optimizer(model):
    """Build the optimizer of a model, if it is not built yet."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)


def assign_all(variables, values):
    """Set each variable to its value; raise before the first if the shapes differ."""
    shapes = [tuple(variable.shape) for variable in variables]
    stored = [tuple(value.shape) for value in values]
    if shapes != stored:
        pairs = zip(variables, shapes, stored, strict=False)
        odd = [f"{_name(v)} {own}, saved {old}" for v, own, old in pairs if own != old]
        odd += [f"{len(shapes)} variables, saved {len(stored)}"]
        rule = "The saved state must be from a model with the same variables."
        fail(rule, difference=odd[0])
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def copy_state(state):
    """Copy a state, including its arrays, tensors and variables."""
    if isinstance(state, dict):
        return {name: copy_state(part) for name, part in state.items()}
    if isinstance(state, list | tuple):
        return [copy_state(part) for part in state]
    if isinstance(state, np.ndarray):
        return state.copy()
    if isinstance(state, keras.Variable) or keras.ops.is_tensor(state):
        [state] = _backends.snapshot([state])
    return state


def _name(variable):
    # The variable of a single replica has no path.
    return getattr(variable, "path", variable.name)
