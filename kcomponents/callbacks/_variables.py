"""Variables: what a training changes in a model, in a fixed order."""

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._check import fail


def variables_of(model, with_optimizer=False):
    """List weights and the state of random numbers, and what the optimizers keep.

    Metrics are left out, and so is what monitors let the model carry along.
    """
    found = [*model.variables]
    for optimizer in optimizers_of(model) if with_optimizer else ():
        found += optimizer.variables
    left_out = [*model.metrics_variables, *_keras.passengers(model)]
    seen, kept = {id(variable) for variable in left_out}, []
    for variable in found:
        if id(variable) not in seen:
            seen.add(id(variable))
            kept.append(variable)
    return kept


def parts_of(variables):
    """List what holds the values of variables, each replica's where they may differ."""
    found = []
    for variable in variables:
        found += [variable] if variable.trainable else _backends.parts(variable)
    return found


def optimizers_of(model):
    """Return the optimizer of `compile`, and those that the model holds by itself."""
    held = [model.optimizer, *_holdings(model)]
    optimizers, ids = [], set()
    for thing in held:
        if isinstance(thing, keras.optimizers.Optimizer) and id(thing) not in ids:
            ids.add(id(thing))
            optimizers.append(thing)
    return optimizers


def _holdings(model):
    for value in list(vars(model).values()):
        if isinstance(value, keras.optimizers.Optimizer):
            yield value
        elif isinstance(value, list | tuple):
            yield from value
        elif isinstance(value, dict):
            yield from value.values()


def build_optimizer(model):
    """Let the optimizer of a model make its variables, if it has not yet."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)


def assign_all(variables, values):
    """Set each variable to its value, or none if the shapes are others."""
    shapes = [tuple(variable.shape) for variable in variables]
    stored = [tuple(value.shape) for value in values]
    if shapes != stored:
        pairs = zip(variables, shapes, stored, strict=False)
        odd = [f"{_name(v)} {mine}, not {its}" for v, mine, its in pairs if mine != its]
        odd += [f"{len(shapes)} variables, not {len(stored)}"]
        fail("The state must be that of a model like this one.", this_one=odd[0])
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def settled(state):
    """Return a state with copies of its arrays, tensors and variables."""
    if isinstance(state, dict):
        return {name: settled(part) for name, part in state.items()}
    if isinstance(state, list | tuple):
        return [settled(part) for part in state]
    if isinstance(state, np.ndarray):
        return state.copy()
    if isinstance(state, keras.Variable) or keras.ops.is_tensor(state):
        [state] = _backends.snapshot([state])
    return state


def _name(variable):
    # Of what one replica holds there is no path.
    return getattr(variable, "path", variable.name)
