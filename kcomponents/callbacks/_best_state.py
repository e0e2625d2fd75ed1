"""Best state: a copy of a model's variables at its best score, on the device."""

import uuid

import keras

from kcomponents import _backends
from kcomponents._checks import fail
from kcomponents._state_file import Damaged, Generations, opened_state
from kcomponents.callbacks._training_state import (
    assign_all,
    build_optimizer,
    variables_of,
)


class BestState:
    """Copies of the variables of a model, on the same device.

    Args:
        values: List of arrays or tensors.
        with_optimizer: Whether the variables of optimizers are included.
    """

    # Whether the values are device copies made by `snapshot`.
    in_place = False

    def __init__(self, values, with_optimizer=False):
        self.values, self.with_optimizer = values, with_optimizer

    @classmethod
    def of(cls, model, with_optimizer=False, places=(), instead_of=None):
        """Copy the current state of a model, or of any object with `get_weights`.

        `places` is a dict of a variable's id → the variable to copy instead of it.
        `instead_of` is a state that is no longer needed; its memory may be reused.
        """
        if not isinstance(model, keras.Model):
            return cls(model.get_weights(), with_optimizer)
        variables = best_of(model, with_optimizer, places)
        into = None if instead_of is None else instead_of.values
        state = cls(_backends.snapshot(variables, into), with_optimizer)
        state.in_place = True
        return state

    @property
    def serves_again(self):
        """Whether the memory of this state can be reused for another one."""
        return self.in_place and _backends.serves_again(self.values)

    def restore(self, model):
        """Set the variables of a model, or of another one like it, to this state."""
        if isinstance(model, keras.Model):
            restore_values(model, self.values, self.with_optimizer)
        else:
            model.set_weights(self.values)

    def get_state(self):
        """Return the arguments of this state, to be saved in a file."""
        return {"values": self.values, "with_optimizer": self.with_optimizer}


def best_of(model, with_optimizer, places):
    """Return the variables of a model, each replaced according to `places`."""
    places = dict(places)
    kept = variables_of(model, with_optimizer)
    return [places.get(id(variable), variable) for variable in kept]


def restore_values(model, values, with_optimizer):
    """Set the variables of a model to the values of `best_of`."""
    # After an exception, the variables may not have the values of the last step yet.
    _backends.synchronize(model)
    if with_optimizer:
        build_optimizer(model)
    assign_all(variables_of(model, with_optimizer), values)


# Best file: a copy of a model's variables at its best score, on disk.


class BestFile:
    """A file with the variables of a model; the previous file is kept beside it.

    A process may be killed after it wrote a better state but before it saved the score.
    The saved score then belongs to the previous file, so each file has a label.

    Args:
        path: Path of the file.
        label: String that identifies this state.
        with_optimizer: Whether the variables of optimizers are included.
    """

    KIND = "the best state of a model"
    serves_again = False

    def __init__(self, path, label, with_optimizer=False):
        self.path, self.label, self.with_optimizer = path, label, with_optimizer

    @classmethod
    def of(cls, model, path, with_optimizer=False, places=()):
        """Write the current state of a model.

        Raises:
            OSError: If the file cannot be written.
        """
        written = cls(path, uuid.uuid4().hex, with_optimizer)
        values = best_of(model, with_optimizer, places)
        state = {"label": written.label, "values": values}
        Generations(path, cls.KIND).write(state)
        return written

    def restore(self, model):
        """Set the variables of a model, or of another one like it, to this state."""
        for path in Generations(self.path, self.KIND).paths:
            try:
                with opened_state(path, self.KIND) as (state, arrays):
                    if state["label"] == self.label:
                        stored = _Stored(arrays, len(state["values"]))
                        restore_values(model, stored, self.with_optimizer)
                        return
            except (Damaged, FileNotFoundError):
                continue
        rule = "The best state must still be in its file, which is gone or overwritten."
        fail(rule, path=self.path)

    def get_state(self):
        """Return the arguments of this state, to be saved in another file."""
        return {"label": self.label, "with_optimizer": self.with_optimizer}


class _Stored:
    """The arrays of a file, each read only when it is needed."""

    def __init__(self, arrays, count):
        self._arrays, self._count = arrays, count

    def __iter__(self):
        return (self._arrays[index] for index in range(self._count))
