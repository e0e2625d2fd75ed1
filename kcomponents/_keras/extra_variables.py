"""Extra variables, which a compiled step updates and returns beside the weights."""

import contextlib
import weakref

from kcomponents import _backends
from kcomponents._keras.features import needed
from kcomponents._keras.optimizers import unscaled_optimizer

# The number of parts of the state of a training step, and those that can have extra
# variables.
PARTS, OF_MODEL, OF_OPTIMIZER = 4, 1, 2
# Where Keras before 3.12 lists how the variables of each part are spread over devices.
SHARDINGS = (
    "_trainable_variable_shardings",
    "_non_trainable_variable_shardings",
    "_optimizer_variable_shardings",
    "_metrics_variable_shardings",
)


class ExtraState:
    """Variables that some steps of a model update beside its weights.

    Backends that carry the state of a model from step to step pass in all that a step
    changes. The variables are in the lists of the model and of its optimizer only while
    such a step is traced, and in its state only for that step, so that all other steps,
    files and counts are as without them.

    Args:
        model: Keras model, built, with its optimizer.
    """

    def __init__(self, model):
        self._model = weakref.ref(model)
        self._in_model, self._in_optimizer = [], []
        # Part of the state → the places of the variables in it, in ascending order.
        self._places, self._lengths, self._shardings = {}, {}, {}
        # The values after the last step, if the variables do not have them yet.
        self._carried = None
        self._present = 0

    def replace(self, in_model, in_optimizer):
        """Use these variables instead of the previous ones."""
        if not _backends.carries_state:
            return
        self.flush()
        self._in_model, self._in_optimizer = list(in_model), list(in_optimizer)
        model, optimizer = self._model(), unscaled_optimizer(self._model())
        self._shardings = {}
        with self.present():
            parts = {OF_MODEL: model.non_trainable_variables}
            if optimizer is not None:
                parts[OF_OPTIMIZER] = model.optimizer.variables
            self._lengths = {part: len(found) for part, found in parts.items()}
            self._places = {
                part: _places(variables, self._variables(part))
                for part, variables in parts.items()
            }
            self._shardings = record_shardings(model)
        record_shardings(model)

    def _variables(self, part):
        return self._in_model if part == OF_MODEL else self._in_optimizer

    @contextlib.contextmanager
    def present(self):
        """Show the variables in the lists of the model and of its optimizer."""
        if not _backends.carries_state:
            yield
            return
        model, optimizer = self._model(), unscaled_optimizer(self._model())
        self._present += 1
        before = {}
        try:
            if self._present == 1:
                add_to_model(model, self._in_model)
                add_to_optimizer(optimizer, self._in_optimizer)
                before = {name: getattr(model, name) for name in self._shardings}
                vars(model).update(self._shardings)
            yield
        finally:
            self._present -= 1
            if not self._present:
                vars(model).update(before)
                remove_from_model(model, self._in_model)
                remove_from_optimizer(optimizer, self._in_optimizer)

    def extend(self, state):
        """Return the state of a step together with the values of the variables."""
        if self._carried is None:
            self._carried = {
                part: [variable.value for variable in self._variables(part)]
                for part in self._places
            }
        extended = list(state)
        for part, places in self._places.items():
            values = list(state[part])
            for place, value in zip(places, self._carried[part], strict=True):
                values.insert(place, value)
            extended[part] = values
        return tuple(extended)

    def strip(self, state):
        """Keep the values of the variables in an extended state; return the others."""
        plain = self.plain(state)
        self.keep(self.values_in(state))
        return plain

    def values_in(self, state):
        """Return the values of the variables in an extended state."""
        return {
            part: [state[part][place] for place in places]
            for part, places in self._places.items()
        }

    def keep(self, values):
        """Take values of the variables, as `values_in` returned them, for the next."""
        self._carried = values

    def plain(self, state):
        """Return a state without the variables, if it has them."""
        lengths = self._lengths.items()
        extended = len(state) == PARTS and all(len(state[p]) == n for p, n in lengths)
        if not extended or not self._lengths:
            return state
        plain = list(state)
        for part, places in self._places.items():
            values = list(state[part])
            for place in reversed(places):
                del values[place]
            plain[part] = values
        return tuple(plain)

    def flush(self):
        """Give the variables their values after the last step."""
        carried, self._carried = self._carried, None
        for part, values in (carried or {}).items():
            for variable, value in zip(self._variables(part), values, strict=True):
                variable.assign(value)


def _places(variables, extra):
    """Return the places of extra variables among others, which keep their order."""
    places = {id(variable): place for place, variable in enumerate(variables)}
    return [places[id(variable)] for variable in extra]


def record_shardings(model):
    """Let Keras on JAX list how each variable is spread over devices.

    Returns name → list, for the lists that this version of Keras keeps.

    Before version 3.12, Keras lists that before `on_train_begin`, and forgets it in
    `evaluate`.
    """
    record = getattr(model, "_record_training_state_sharding_spec", None)
    # The variables have no values within an epoch of JAX.
    if record is None or not getattr(model, "_jax_state_synced", True):
        return {}
    record()
    return {name: getattr(model, name) for name in SHARDINGS if hasattr(model, name)}


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
    # Without such a list, nothing was added to it.
    generators = getattr(model, "_seed_generators", [])
    generators[:] = [entry for entry in generators if id(entry.state) not in ours]


def add_to_optimizer(optimizer, variables):
    """Add variables to the state of the compiled step of an optimizer."""
    if not variables:
        return
    # `remove_from_optimizer` needs the other.
    needed(optimizer, "Optimizer._untrack_variable")
    track = needed(optimizer, "Optimizer._track_variable")
    for variable in variables:
        track(variable)


def remove_from_optimizer(optimizer, variables):
    """Remove the variables from the optimizer, as far as they were added."""
    tracked = {id(v) for v in optimizer.variables} if variables else ()
    for variable in variables:
        if id(variable) in tracked:
            optimizer._untrack_variable(variable)


def extra_variables_of(model):
    """Return the extra variables that a model has for all of its steps."""
    generators = getattr(model, "_seed_generators", [])
    return [g.state for g in generators if isinstance(g, ExtraVariable)]
