"""Variables that ride along in a compiled step."""

import contextlib


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


def passengers(model):
    """Return the variables on board of a model and of its optimizer."""
    riders = [r for r in model._seed_generators if isinstance(r, Passenger)]
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return [r.state for r in riders] + getattr(optimizer, "passengers", [])
