"""The best state of a model: copies of its variables, on the device or in a file."""

import uuid

import keras
import numpy as np

from kcomponents import _backends, _console, _keras
from kcomponents._checks import fail
from kcomponents._keras.callback_list import running_callbacks
from kcomponents._state_file import DamagedFileError, Generations, open_state
from kcomponents.callbacks._training_state import (
    assign_all,
    check_shapes,
    variables_of,
)


class BestStates:
    """The best state of a model so far, and memory to copy the next one to.

    Two buffers alternate, so that the best state stays complete if an exception
    interrupts the copy of the next one.

    Args:
        current: `BestState`, `BestFile` or `None`.
    """

    def __init__(self, current=None):
        self.current, self._spare = current, None

    def save(self, model, path=None, with_optimizer=False, places=()):
        """Save the state of a model, in a file if there is a path to write to.

        Args:
            model: Keras model, or any object with `get_weights`.
            path: Path of the file, or `None` to keep the state on the device.
            with_optimizer: Whether to include the variables of optimizers.
            places: Dict of a variable's id → the variable to copy instead of it.
        """
        previous = self.current
        self.current = self._copy(model, path, with_optimizer, places)
        reusable = previous is not None and previous.is_reusable
        self._spare = previous if reusable else None

    def _copy(self, model, path, *arguments):
        if path is not None:
            try:
                return BestFile.of(model, path, *arguments)
            except OSError as error:
                _console.warn(
                    f"Could not write the best state to {path!r}, so it is "
                    f"kept on the device: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
        return BestState.of(model, *arguments, self._spare)


def load_best_state(state, path):
    """Return the best state from what its `get_state` returned, or None for None.

    Args:
        state: Dict or `None`.
        path: Path of the file of best states, or `None` if they are on the device.
    """
    if state is None:
        return None
    known = {*state} in ({"values", "with_optimizer"}, {"label", "with_optimizer"})
    typed = known and isinstance(state["with_optimizer"], bool)
    if not typed or not all(map(_is_array, state.get("values", ()))):
        rule = "`best_weights` must be arrays, or the label of a file."
        fail(rule, best_weights=state)
    if "values" in state:
        return BestState(**state)
    if path is None:
        rule = "`best_path` must be the same as when the state was saved."
        fail(rule, best_path=None)
    return BestFile(path, **state)


def _is_array(value):
    return isinstance(value, np.ndarray) or keras.ops.is_tensor(value)


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
        variables = variables_to_copy(model, with_optimizer, places)
        into = None if instead_of is None else instead_of.values
        state = cls(_backends.snapshot(variables, into), with_optimizer)
        state.in_place = True
        return state

    @property
    def is_reusable(self):
        """Whether the memory of this state can be reused for another one."""
        return self.in_place and _backends.can_overwrite(self.values)

    def check_fits(self, model):
        """Raise unless the weights have the shapes of the weights of the model."""
        if isinstance(model, keras.Model) and not self.with_optimizer:
            check_shapes(variables_of(model), self.values)

    def restore(self, model):
        """Set the variables of a model, or of another one like it, to this state."""
        if isinstance(model, keras.Model):
            restore_values(model, self.values, self.with_optimizer)
        else:
            model.set_weights(self.values)

    def get_state(self):
        """Return the arguments of this state, to be saved in a file."""
        return {"values": self.values, "with_optimizer": self.with_optimizer}


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
    PARTS = {"label": str, "values": list}
    is_reusable = False

    def __init__(self, path, label, with_optimizer=False):
        self.path, self.label, self.with_optimizer = path, label, with_optimizer

    @classmethod
    def check(cls, path):
        """Check that existing files can be read and that new ones can be written.

        Raises:
            DamagedFileError: If a file is damaged or of another kind.
            OSError: If no file can be written to the folder.
        """
        Generations(path, cls.KIND, cls.PARTS).check()

    @classmethod
    def of(cls, model, path, with_optimizer=False, places=()):
        """Write the current state of a model.

        Raises:
            OSError: If the file cannot be written.
        """
        written = cls(path, uuid.uuid4().hex, with_optimizer)
        values = variables_to_copy(model, with_optimizer, places)
        state = {"label": written.label, "values": values}
        Generations(path, cls.KIND).write(state)
        return written

    def check_fits(self, model):
        """Do nothing: the file is read when the state is restored."""

    def restore(self, model):
        """Set the variables of a model, or of another one like it, to this state."""
        for path in Generations(self.path, self.KIND).paths:
            try:
                with open_state(path, self.KIND, self.PARTS) as (state, arrays):
                    if state["label"] == self.label:
                        values = _FileArrays(arrays, len(state["values"]))
                        restore_values(model, values, self.with_optimizer)
                        return
            except (DamagedFileError, FileNotFoundError):
                continue
            except ValueError as error:
                raise ValueError(f"{error}, path={path!r}") from error
        rule = "The best state must still be in its file, which is gone or overwritten."
        fail(rule, path=self.path)

    def get_state(self):
        """Return the arguments of this state, to be saved in another file."""
        return {"label": self.label, "with_optimizer": self.with_optimizer}


class _FileArrays:
    """The arrays of a file, each read only when it is needed."""

    def __init__(self, arrays, count):
        self._arrays, self._count = arrays, count

    def __iter__(self):
        return (self._arrays[index] for index in range(self._count))


def variables_to_copy(model, with_optimizer, places):
    """Return the variables of a model, each replaced according to `places`."""
    places = dict(places)
    variables = variables_of(model, with_optimizer)
    return [places.get(id(variable), variable) for variable in variables]


def restore_values(model, values, with_optimizer):
    """Set the variables of a model to the values of `variables_to_copy`."""
    # After an exception, the variables may not have the values of the last step yet.
    _backends.synchronize(model)
    if with_optimizer:
        _keras.build_optimizer(model)
    assign_all(variables_of(model, with_optimizer), values)


def averaged_variables(model):
    """Return a dict of a variable's id → the variable with its averaged value.

    With `SwapEMAWeights`, validation scores the moving averages of the weights. At the
    end of an epoch these are either in the model or in the optimizer.
    """
    running = running_callbacks()
    callbacks = [] if running is None else running.callbacks
    swaps = [c for c in callbacks if isinstance(c, keras.callbacks.SwapEMAWeights)]
    if not swaps:
        return {}
    pairs = _keras.moving_averages(model.optimizer)
    if _keras.averages_in_model(swaps[0]):
        return {id(average): variable for variable, average in pairs}
    return {id(variable): average for variable, average in pairs}
