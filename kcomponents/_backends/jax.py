"""JAX traces one program for all devices, whose gradients are global already."""

import contextlib

import jax
import keras
import numpy as np

try:
    from jax.extend.core import get_opaque_trace_state
except ImportError:  # before JAX 0.8
    from jax.core import get_opaque_trace_state

carries_state = True
defers = False
cheap_branches = False
counts = "steps"
max_may_drop_nan = False
worth_stacking = 4096
trace_level = get_opaque_trace_state


def sum_over_replicas(grads):
    """Return the gradients as they are."""
    return grads


def on_first_replica(tensors):
    """Return the tensors as they are."""
    return tensors


def apply_if_finite(norm, apply, grads, variables, optimizer_variables):
    """Apply the gradients if their norm is finite, in a branch of the program.

    The branch works on its own scope: assignments would leak from it. It also costs
    less than to choose between new and old values, which copies all of them.
    """
    finite, changing = jax.numpy.isfinite(norm), [*variables, *optimizer_variables]
    branch(finite, lambda: apply(grads, variables, norm), lambda: None, changing)


def branch(condition, then, otherwise, changing):
    """Do one of two things to the variables, in branches of the program."""
    if not isinstance(condition, jax.core.Tracer):
        # Outside `jit`, a branch would be compiled anew each time.
        then() if condition else otherwise()
        return
    before = [variable.value for variable in changing]

    def after(do):
        with keras.StatelessScope(zip(changing, before, strict=True)) as scope:
            do()
        return [scope.get_current_value(variable) for variable in changing]

    values = jax.lax.cond(condition, lambda: after(then), lambda: after(otherwise))
    for variable, value in zip(changing, values, strict=True):
        variable.assign(value)


def scope(model):
    """Return an empty context."""
    return contextlib.nullcontext()


def fetch(variables):
    """Return for each variable a list of its value as an array, in one transfer."""
    return [[value] for value in jax.device_get([v.value for v in variables])]


def fill(variables, values):
    """Set each variable to a value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def parts(variable):
    """Return the variable, which holds the values of all."""
    return [variable]


def again(batches, iterator):
    """Return an iterator over batches that were drawn."""
    return iter(batches)


def inference(model):
    """Return the model as a compiled function of its inputs, which changes nothing."""

    def variables():
        return [*model.trainable_variables, *model.non_trainable_variables]

    @jax.jit
    def run(values, x):
        # `stateless_call` would hand `training` to a `call` that takes none.
        with keras.StatelessScope(zip(variables(), values, strict=True)):
            return model(x, training=False)

    return lambda x: run([variable.value for variable in variables()], x)


def slopes(function, arrays):
    """Return the gradients of a scalar function by its arguments, as arrays."""
    found = jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays)
    return [np.asarray(slope) for slope in found]


def snapshot(variables, into=None):
    """Return copies of variables: on a CPU arrays of numpy, else on the device.

    There new memory costs more than the copy, and a view would keep the compiled step
    from working in place.
    """
    values = [getattr(variable, "value", variable) for variable in variables]
    # All of them are on devices of one kind; to ask each costs as much as to copy it.
    if next(iter(values[0].devices())).platform != "cpu":
        return [jax.numpy.copy(value) for value in values]
    into = [np.empty(v.shape, v.dtype) for v in values] if into is None else into
    for copy, value in zip(into, values, strict=True):
        np.copyto(copy, np.asarray(value))
    return into


def serves_again(values):
    """Return whether a snapshot can be taken into the memory of these."""
    return all(isinstance(value, np.ndarray) for value in values)


def square_sums(tensors):
    """Return the sum of squares of each tensor; compilation makes one loop of each.

    The barrier keeps the squares apart from those that the optimizer takes: shared,
    they would be written to memory and read again.
    """
    widened = [jax.numpy.asarray(t, "float32") for t in tensors]
    own = jax.lax.optimization_barrier(widened)
    return jax.numpy.stack([jax.numpy.sum(jax.numpy.square(t)) for t in own])


def synchronize(model):
    """Bring the state that `fit` carries along back into the model."""
    model.jax_state_sync()


def replica():
    """Return 0: one program is traced for all devices."""
    return 0


def keep_random_state():
    """Return an empty context: all state of random numbers is in variables."""
    return contextlib.nullcontext()


def random_state():
    """Return nothing: all state of random numbers is in variables."""
    return {}


def set_random_state(state):
    """Do nothing."""


def to_training(model):
    """Do nothing: each call of a model says whether it is one of training."""
