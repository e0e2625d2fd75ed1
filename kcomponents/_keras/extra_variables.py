"""Extra variables, which a compiled step updates and returns beside the weights."""

import contextlib

from kcomponents._keras.features import needed
from kcomponents._keras.optimizers import unscaled_optimizer


class ExtraVariable:
    """An entry in the seed generators of a model, for a variable that is not a weight.

    Keras passes the state of seed generators through a compiled step, but does not
    count it as a weight, and does not save it from this list.
    """

    def __init__(self, variable):
        self.state = variable


def add_to_model(model, variables):
    """Add variables to the state of the compiled step of a model."""
    generators = needed(model, "Layer._seed_generators")
    generators.extend(ExtraVariable(variable) for variable in variables)


def remove_from_model(model, variables):
    """Remove the variables from the model."""
    ours = {id(variable) for variable in variables}
    generators = _seed_generators(model)
    generators[:] = [entry for entry in generators if id(entry.state) not in ours]


def add_to_optimizer(optimizer, variables):
    """Add variables to the state of the compiled step of an optimizer."""
    if not variables:
        return
    # `remove_from_optimizer` and `without_variables` need the others.
    for name in ("_untrack_variable", "_variables"):
        needed(optimizer, f"Optimizer.{name}")
    track = needed(optimizer, "Optimizer._track_variable")
    for variable in variables:
        track(variable)
    # Not with `__setattr__`, which would track the list.
    optimizer.__dict__.setdefault("extra_variables", []).extend(variables)


def remove_from_optimizer(optimizer, variables):
    """Remove the variables from the optimizer."""
    for variable in variables:
        optimizer._untrack_variable(variable)
    ours = {id(variable) for variable in variables}
    others = optimizer.__dict__.pop("extra_variables", [])
    if others := [v for v in others if id(v) not in ours]:
        optimizer.__dict__["extra_variables"] = others


@contextlib.contextmanager
def without_variables(optimizer, variables):
    """Hide these variables in the optimizer's state until the context ends."""
    if not variables:
        yield
        return
    ours = {id(variable) for variable in variables}
    before = optimizer._variables[:]
    optimizer._variables[:] = [v for v in before if id(v) not in ours]
    try:
        yield
    finally:
        optimizer._variables[:] = before


def record_shardings(model):
    """Tell Keras on JAX how each variable of the state is spread over devices.

    Before version 3.12, Keras lists that before `on_train_begin`, and forgets it in
    `evaluate`.
    """
    record = getattr(model, "_record_training_state_sharding_spec", None)
    # The variables have no values within an epoch of JAX.
    if record is not None and getattr(model, "_jax_state_synced", True):
        record()


def extra_variables_of(model):
    """Return the extra variables of a model and of its optimizer."""
    generators = _seed_generators(model)
    of_model = [g.state for g in generators if isinstance(g, ExtraVariable)]
    return of_model + getattr(unscaled_optimizer(model), "extra_variables", [])


def _seed_generators(model):
    # Without such a list, nothing was added to it.
    return getattr(model, "_seed_generators", [])
