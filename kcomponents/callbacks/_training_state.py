"""The state of a training run: variables, random generators and callbacks."""

import random

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._checks import fail

# Variables


def variables_of(model, with_optimizer=False):
    """Return the weights, the seeds and, if asked, the variables of optimizers.

    Variables of metrics and of monitors are left out.
    """
    variables = [*model.variables]
    for optimizer in optimizers_of(model) if with_optimizer else ():
        variables += optimizer.variables
    left_out = [*model.metrics_variables, *_keras.extra_variables_of(model)]
    seen, found = {id(variable) for variable in left_out}, []
    for variable in variables:
        if id(variable) not in seen:
            seen.add(id(variable))
            found.append(variable)
    return found


def parts_of(variables):
    """Replace each variable that may differ between replicas by its replicas."""
    parts = []
    for variable in variables:
        if variable.trainable:
            parts.append(variable)
        else:
            parts += _backends.replica_variables(variable)
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


# Global random generators


def random_state():
    """Return the state of the generators of Python, numpy, Keras and the backend."""
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "backend": _backends.random_state(),
    }
    if (seeds := _keras.global_seeds()) is not None:
        state["keras"] = np.array(seeds.numpy())
    return state


def set_random_state(state):
    """Restore the state of the generators."""
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
    np.random.set_state(state["numpy"])
    _backends.set_random_state(state["backend"])
    seeds = _keras.global_seeds()
    if seeds is not None and "keras" in state:
        seeds.assign(state["keras"])


# Callbacks


def states_of(callbacks, without):
    """Return a dict of name → state of all callbacks with a state but `without`."""
    states = {}
    for name, callback in _with_names(callbacks):
        if callback is without:
            continue
        if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
            states[name] = callback.get_state()
        elif names := _attributes_of(callback):
            states[name] = {n: getattr(callback, n) for n in names}
    return states


def set_states(callbacks, states):
    """Restore the states of callbacks; a callback without a state is left as it is."""
    for name, callback in _with_names(callbacks):
        if name not in states:
            continue
        if hasattr(callback, "set_state"):
            callback.set_state(states[name])
            continue
        for attribute in _attributes_of(callback):
            setattr(callback, attribute, states[name][attribute])


def _attributes_of(callback):
    """Return which attributes are the state of a callback of Keras."""
    for kind, names in _keras.STATE_OF_CALLBACKS.items():
        if isinstance(callback, kind):
            return names
    return ()


def _with_names(callbacks):
    """Yield each callback with its name: its class and its number within the class."""
    counts = {}
    for callback in callbacks:
        kind = type(callback).__name__
        counts[kind] = counts.get(kind, 0) + 1
        yield f"{kind}-{counts[kind]}", callback
