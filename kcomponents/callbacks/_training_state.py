"""The state of a training run: variables, random generators and callbacks."""

import os

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._checks import fail
from kcomponents._files import write_whole
from kcomponents._keras.random_state import random_state, set_random_state

# Variables


def variables_of(model, with_optimizer=False):
    """Return the weights, the seeds and, if asked, the variables of optimizers.

    Variables of metrics and extra ones of a search are left out.
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


def assign_all(variables, values):
    """Set each variable to its value; raise before the first if the shapes differ."""
    check_shapes(variables, values)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def check_shapes(variables, values, changes=()):
    """Raise if the shapes differ, and name the changes that may be the cause."""
    shapes = [tuple(variable.shape) for variable in variables]
    stored = [tuple(value.shape) for value in values]
    if shapes != stored:
        pairs = zip(variables, shapes, stored, strict=False)
        odd = [f"{_name(v)} {own}, saved {old}" for v, own, old in pairs if own != old]
        odd += [f"{len(shapes)} variables, saved {len(stored)}"]
        rule = "The saved state must be from a model with the same variables."
        causes = {"changed": "; ".join(changes)} if changes else {}
        fail(rule, difference=odd[0], **causes)


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


def check_random_state(state, path, field):
    """Raise unless the generators accept a state; they are not changed."""
    before = random_state()
    try:
        set_random_state(state)
    except Exception as error:
        rule = f"`{field}` must be states of random generators ({error})."
        fail(rule, path=path, **{field: type(state).__name__})
    finally:
        set_random_state(before)


# Saved states


def check_state(state, path, steps):
    """Raise if a part of a saved state cannot be right, before any of it is used.

    Args:
        state: Dict from a file, with all parts.
        path: Path of the file, for the message.
        steps: Integer, the steps of an epoch, or `None` if unknown.
    """
    for field in ("epoch", "step", "first_epoch"):
        if isinstance(state[field], bool) or state[field] < 0:
            rule = f"`{field}` must be an integer of at least 0."
            fail(rule, path=path, **{field: state[field]})
    if state["epoch"] < state["first_epoch"]:
        rule = "`epoch` must be at least `first_epoch`."
        names = ("epoch", "first_epoch")
        fail(rule, path=path, **{name: state[name] for name in names})
    if steps is not None and state["step"] >= steps:
        rule = f"`step` must be less than the {steps} steps of an epoch."
        fail(rule, path=path, step=state["step"])
    for field in ("variables", "metrics"):
        for place, value in enumerate(state[field]):
            # numpy gives bfloat16 the kind "V".
            if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufV":
                rule = f"`{field}` must be a list of arrays of numbers."
                fail(rule, path=path, **{f"{field}[{place}]": value})
    if len(state["randoms"]) != 2:
        rule = "`randoms` must have 2 states, at the start of the epoch and now."
        fail(rule, path=path, randoms=len(state["randoms"]))
    for place, randoms in enumerate(state["randoms"]):
        check_random_state(randoms, path, f"randoms[{place}]")
        shuffles = randoms.get("shuffles", 0)
        if type(shuffles) is not int or shuffles < 0:
            rule = "`shuffles` must be an integer of at least 0."
            fail(rule, path=path, shuffles=shuffles)


# Callbacks


def states_of(callbacks, without):
    """Return a dict of name → state of all callbacks with a state but `without`."""
    states = {}
    for name, callback in _with_names(callbacks):
        if callback is without:
            continue
        if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
            states[name] = callback.get_state()
        elif isinstance(callback, keras.callbacks.CSVLogger):
            states[name] = _state_of_file(callback)
        elif names := _attributes_of(callback):
            states[name] = {n: getattr(callback, n) for n in names}
    return states


def set_states(callbacks, states, path):
    """Restore the states of callbacks; a callback without a state is left as it is.

    Args:
        callbacks: List of callbacks.
        states: Dict, as `states_of` returned it.
        path: Path of the file of the states, for the message of an error.
    """
    for name, callback in _with_names(callbacks):
        if name not in states:
            continue
        try:
            _set_state(callback, states[name])
        except (ArithmeticError, AttributeError, LookupError) as error:
            _fail_state(name, path, repr(error), error)
        except (TypeError, ValueError) as error:
            _fail_state(name, path, error, error)


def _fail_state(name, path, reason, error):
    rule = (
        f"The saved state of `{name}` must be of a callback with the same settings. "
        f"Change it back, or delete the file to start again. {reason}"
    )
    try:
        fail(rule, path=path, callbacks=name)
    except ValueError as failure:
        raise failure from error


def _set_state(callback, state):
    if hasattr(callback, "set_state"):
        callback.set_state(state)
    elif isinstance(callback, keras.callbacks.CSVLogger):
        _restore_file(callback, state)
    else:
        for attribute in _attributes_of(callback):
            now, saved = getattr(callback, attribute), state[attribute]
            if isinstance(now, dict | list) and not isinstance(saved, type(now)):
                fail(f"`{attribute}` must be a {type(now).__name__}.", saved=saved)
            setattr(callback, attribute, saved)


def _state_of_file(logger):
    """Return what a `CSVLogger` has written, or None for its text if it is remote."""
    if not os.path.isfile(logger.filename):
        return {"keys": logger.keys, "text": None}
    with open(logger.filename, "rb") as file:
        return {"keys": logger.keys, "text": np.frombuffer(file.read(), "uint8")}


def _restore_file(logger, state):
    """Set the file of a `CSVLogger` to what it had written, so that no row is twice."""
    if state["text"] is None or not os.path.isfile(logger.filename):
        return
    saved = np.asarray(state["text"], "uint8").tobytes()
    with open(logger.filename, "rb") as file:
        now = file.read()
    if logger.append and not now.startswith(saved):
        # Something else has written to the file since.
        return
    logger.csv_file.close()
    if now != saved:
        # Whole or not at all, as the next kill may come now.
        write_whole(logger.filename, saved)
    logger.csv_file = open(logger.filename, "a")
    logger.keys, logger.writer, logger.append_header = state["keys"], None, not saved


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
