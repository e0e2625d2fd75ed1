"""Passengers: additional variables that a compiled step updates and returns."""

import contextlib

from kcomponents._keras.features import needed


class Passenger:
    """An entry in the seed generators of a model, for a variable that is not a weight.

    Keras passes the state of seed generators through a compiled step, but does not
    count it as a weight, and does not save it from this list.
    """

    def __init__(self, variable):
        self.state = variable


def board_model(model, variables):
    """Add variables to the state of the compiled step of a model."""
    riders = needed(model, "Layer._seed_generators")
    riders.extend(Passenger(variable) for variable in variables)


def leave_model(model, variables):
    """Remove the variables from the model."""
    ours = {id(variable) for variable in variables}
    riders = _riders(model)
    riders[:] = [rider for rider in riders if id(rider.state) not in ours]


def board_optimizer(optimizer, variables):
    """Add variables to the state of the compiled step of an optimizer."""
    # `leave_optimizer` and `without` need the others.
    for name in ("_untrack_variable", "_variables"):
        needed(optimizer, f"Optimizer.{name}")
    track = needed(optimizer, "Optimizer._track_variable")
    for variable in variables:
        track(variable)
    # Not with `__setattr__`, which would track the list.
    optimizer.__dict__.setdefault("passengers", []).extend(variables)


def leave_optimizer(optimizer, variables):
    """Remove the variables from the optimizer."""
    for variable in variables:
        optimizer._untrack_variable(variable)
    ours = {id(variable) for variable in variables}
    others = optimizer.__dict__.pop("passengers", [])
    if others := [v for v in others if id(v) not in ours]:
        optimizer.__dict__["passengers"] = others


@contextlib.contextmanager
def without(optimizer, variables):
    """Hide these variables in the optimizer's state until the context ends."""
    if not variables:
        yield
        return
    ours = {id(variable) for variable in variables}
    kept = optimizer._variables[:]
    optimizer._variables[:] = [v for v in kept if id(v) not in ours]
    try:
        yield
    finally:
        optimizer._variables[:] = kept


def passengers(model):
    """Return the passengers of a model and of its optimizer."""
    riders = [rider for rider in _riders(model) if isinstance(rider, Passenger)]
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return [r.state for r in riders] + getattr(optimizer, "passengers", [])


def _riders(model):
    # Without such a list, nothing was added to it.
    return getattr(model, "_seed_generators", [])
