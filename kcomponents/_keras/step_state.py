"""The state of the last finished step, which a model gets back if a step fails."""

import contextlib
import math
import types
import weakref

import keras
import numpy as np

from kcomponents import _backends
from kcomponents._keras.features import MissingInKeras
from kcomponents._keras.fit_state import global_seeds
from kcomponents._keras.models import layers_of

LOST = (
    "The step failed on the device after JAX had handed the memory of the weights over "
    "to it, so the weights are lost. Load them from a file before the model is used "
    "again: `Resume` and `EarlyStopping(best_path=...)` write such files."
)
# The parts of the state of a step, by their number, in the order of Keras.
PARTS = {
    4: (
        "trainable_variables",
        "non_trainable_variables",
        "optimizer_variables",
        "metrics_variables",
    ),
    3: ("trainable_variables", "non_trainable_variables", "metrics_variables"),
}
PRIVATE = "_get_jax_state", "_jax_state_synced", "_make_function"
# The variables of a train function of Keras that are compiled: one step, and several.
COMPILED = ("step_function", "multi_step_fn")


def keep_step_state(model, covers):
    """Return what keeps the state of a model's last finished step during `fit`."""
    if not _backends.carries_state:
        try:
            return ForwardState(model)
        except MissingInKeras:
            return StepState(model)
    if all(hasattr(model, name) for name in PRIVATE):
        return CarriedState(model, covers)
    return StepState(model)


class StepState:
    """Keeps nothing: the base class, and what is left without names of Keras.

    Attributes:
        plain: Function that takes what only a part of the steps has out of a state.
    """

    def __init__(self, model):
        self.model = weakref.ref(model)
        self.plain = lambda state: state
        self._test_functions = None

    def begin_step(self):
        """Prepare for a step that may fail."""

    def finish_step(self):
        """Take the state after this step as that of the last finished one."""

    def end(self, error=None):
        """Give the model the state of the last finished step."""

    def train_function(self):
        """Return the function for the steps of training."""
        return self.model().train_function

    def _test_function(self):
        """Return the function for the steps of validation."""
        return self.model().test_function

    @contextlib.contextmanager
    def test_function(self, wrap):
        """Use a wrapped function for the steps of validation in a context."""
        model = self.model()
        model.make_test_function()
        before = model.test_function
        if self._test_functions is None or self._test_functions[0] is not before:
            self._test_functions = before, wrap(self._test_function())
        wrapped = model.test_function = self._test_functions[1]
        try:
            yield
        finally:
            if model.test_function is wrapped:
                model.test_function = before


class ForwardState(StepState):
    """Keeps what a failing step may change before its weights, step by step.

    A step changes weights and slots of the optimizer at its end. Seeds and moving
    averages change in the forward pass; TensorFlow also counts a step that fails, as
    the count depends on nothing in it. If a weight has changed, the step is taken as
    finished.
    """

    def __init__(self, model):
        super().__init__(model)
        self._variables, self._weights = _variables_before_weights(model)
        self._in_step, self._values, self._random_state = False, None, None

    def begin_step(self):
        """Copy what may change before the weights."""
        self._random_state = _backends.random_state()
        variables = self._weights + self._variables
        if variables:
            reusable = self._values and _backends.can_overwrite(self._values)
            into = self._values if reusable else None
            self._values = _backends.snapshot(variables, into)
        self._in_step = True

    def finish_step(self):
        """Take the state after this step as that of the last finished one."""
        self._in_step = False

    def end(self, error=None):
        """Undo a step that failed before its weights changed."""
        if not self._in_step:
            return
        self._in_step = False
        values = self._values or []
        count = len(self._weights)
        for weight, value in zip(self._weights, values[:count], strict=True):
            if (_array(weight) != _array(value)).any():
                return
        for variable, value in zip(self._variables, values[count:], strict=True):
            variable.assign(value)
        _backends.set_random_state(self._random_state)


def _array(value):
    return np.asarray(keras.ops.convert_to_numpy(value))


def _variables_before_weights(model):
    """Return variables that a step changes before the weights, and two weights.

    The two are the smallest trainable variable and the smallest slot of the optimizer.
    The variables are those on each replica.
    """
    found = []
    for layer in layers_of(model):
        if _is_frozen_normalization(layer):
            continue
        found += getattr(layer, "_non_trainable_variables", [])
        found += [g.state for g in getattr(layer, "_seed_generators", [])]
    seeds = global_seeds()
    found += [] if seeds is None else [seeds]
    of_optimizer = getattr(getattr(model, "optimizer", None), "variables", [])
    # Counts, and what is computed from them, but not the learning rate.
    scalars = [v for v in of_optimizer if math.prod(v.shape) == 1]
    found += [v for v in scalars if v.name != "learning_rate"]
    slots = [v for v in of_optimizer if math.prod(v.shape) != 1]
    kinds = [v for v in model.trainable_variables if math.prod(v.shape) != 1], slots
    weights = [min(k, key=lambda v: math.prod(v.shape)) for k in kinds if k]
    unique = {id(variable): variable for variable in found}.values()
    return [part for v in unique for part in _backends.replica_variables(v)], weights


def _is_frozen_normalization(layer):
    """Return whether a layer leaves its moving averages alone, as pretrained nets do.

    Such a net has hundreds of them, and to copy them in each step would be felt.
    """
    normalizes = type(layer) is keras.layers.BatchNormalization
    return normalizes and not layer.trainable


class CarriedState(StepState):
    """Keeps the state that `fit` carries from step to step, which the model lacks.

    Keras takes the values of the variables away at the first step of an epoch, and
    gives each step the memory of the state before. A state is kept as soon as it is
    computed, in the attribute from which Keras restores the variables.
    """

    def __init__(self, model, covers):
        super().__init__(model)
        covers.cover(model, "_get_jax_state", self._cover_state)
        covers.cover(model, "_make_function", self._cover_function)

    def _cover_state(self, original):
        def get_state(*args, **kwargs):
            state = original(*args, **kwargs)
            if kwargs.get("purge_model_variables"):
                parts = [name for name in PARTS[4] if kwargs.get(name)]
                self._keep(parts, state)
                self.model()._jax_state_synced = False
            return state

        return get_state

    def _cover_function(self, original):
        def make(*args, **kwargs):
            return self._with_kept_steps(original(*args, **kwargs))

        return make

    def _kept(self, step_function):
        def step(state, data):
            kept = []
            try:
                # Without Python code between the step and the list, so that no signal
                # handler can raise there, when the memory of the old state is gone.
                kept.extend(map(step_function, [state], [data]))
            finally:
                # The state of a prediction has other parts; nothing in it changes.
                if kept and len(state) in PARTS:
                    self._keep(PARTS[len(state)], self.plain(kept[0][1]))
            return kept[0]

        return step

    def _keep(self, parts, state):
        # Not with `__setattr__`, which would track it.
        found = dict(zip(parts, state, strict=True))
        self.model().__dict__["_jax_state"] = found

    def train_function(self):
        """Return a function that keeps the state after each step."""
        return self._with_kept_steps(super().train_function())

    def _test_function(self):
        return self._with_kept_steps(super()._test_function())

    def _with_kept_steps(self, function):
        """Return a function of Keras with the same compiled steps, whose state is kept.

        A step that was compiled anew would have to be compiled again for the next
        `fit`. Where Keras compiles several steps into one, both are kept.
        """
        code = getattr(function, "__code__", None)
        if code is None or not set(COMPILED) & set(code.co_freevars):
            return function
        if not function.__module__.startswith("keras.src."):
            return function
        cells = [
            types.CellType(self._kept(cell.cell_contents))
            if name in COMPILED and callable(cell.cell_contents)
            else cell
            for name, cell in zip(code.co_freevars, function.__closure__, strict=True)
        ]
        name, defaults = function.__name__, function.__defaults__
        return types.FunctionType(
            code, function.__globals__, name, defaults, tuple(cells)
        )

    def end(self, error=None):
        """Give the variables of the model the values that were kept last."""
        model = self.model()
        state = getattr(model, "_jax_state", None)
        if not state or model._jax_state_synced:
            return
        arrays = [value for part in state.values() for value in part]
        if any(array.is_deleted() for array in arrays):
            model.__dict__["_jax_state"] = None
            if error is not None:
                error.add_note(LOST)
            return
        _backends.synchronize(model)
