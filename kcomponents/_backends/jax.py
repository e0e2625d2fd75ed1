"""JAX: one program is traced for all devices, with global gradients."""

import concurrent.futures
import contextlib
import threading

import jax
import keras
import numpy as np

try:
    from jax.extend.core import get_opaque_trace_state
except ImportError:  # before JAX 0.8
    from jax.core import get_opaque_trace_state

builds_optimizer_in_step = False
carries_state = True
defers = False
end_of_data = (StopIteration,)
repeats_order = False
may_stack_batches = True
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

    The branch needs its own scope, so that assignments do not leak. A branch also costs
    less than selecting between new and old values, which copies all of them.
    """
    finite, changing = jax.numpy.isfinite(norm), [*variables, *optimizer_variables]
    if not isinstance(finite, jax.core.Tracer):
        # Outside `jit`, each branch would be compiled again.
        if finite:
            apply(grads, variables, norm)
        return
    before = [variable.value for variable in changing]

    def applied():
        with keras.StatelessScope(zip(changing, before, strict=True)) as scope:
            apply(grads, variables, norm)
        return [scope.get_current_value(variable) for variable in changing]

    values = jax.lax.cond(finite, applied, lambda: before)
    for variable, value in zip(changing, values, strict=True):
        variable.assign(value)


def scope(model):
    """Return an empty context."""
    return contextlib.nullcontext()


def fetch(variables):
    """Return a list with the value of each variable as an array, in one transfer."""
    return [[value] for value in jax.device_get([v.value for v in variables])]


def on_host(variable):
    """Return the value of a variable; on a CPU a view, gone before the next step.

    `np.asarray` would stay with the value, whose memory the step could not reuse.
    """
    try:
        return np.from_dlpack(variable.value)
    except (BufferError, RuntimeError, TypeError, ValueError):
        # On several devices, not on a CPU, or of a type that numpy does not know.
        return np.asarray(variable.value)


def fill(variables, values):
    """Assign a value to each variable."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def replica_variables(variable):
    """Return the variable, which has the values of all replicas."""
    return [variable]


def batch_iterator(batches, iterator):
    """Return an iterator over batches that are already drawn."""
    return iter(batches)


def current_graph():
    """Return None: graphs are released together with their functions."""


def release_graphs(graphs):
    """Do nothing."""


def compiled(function):
    """Return the function, compiled for each shape of its arguments."""
    return jax.jit(function)


def compile_aside(function, *arguments):
    """Return a thread that compiles a function for such arguments.

    It is traced here, since tracing runs code of the user. JAX finds the compiled
    function when it is called.
    """
    lowered = function.lower(*arguments)
    thread = threading.Thread(target=lowered.compile, name="kcomponents-compilation")
    thread.start()
    return thread


def inference(model, call=None, often=False):
    """Return the model, or `call`, as a compiled function without side effects."""
    return Inference(model, call or (lambda x: model(x, training=False)))


class Inference:
    """A function of inputs that calls a model, compiled for each shape of them.

    Args:
        model: Keras model, built.
        call: Function of inputs that calls the model.
    """

    def __init__(self, model, call):
        self._model = model

        @jax.jit
        def run(values, x):
            # `stateless_call` passes `training` even to a `call` without it.
            with keras.StatelessScope(zip(self._variables(), values, strict=True)):
                return call(x)

        self._run = run

    def _variables(self):
        model = self._model
        return [*model.trainable_variables, *model.non_trainable_variables]

    def __call__(self, x):
        return self._run([variable.value for variable in self._variables()], x)

    def begin(self, x):
        """Compile and run in a thread, with the weights of now.

        The model is traced here, since tracing runs code of the user.

        Returns:
            The shapes and types of the results, and a function that waits for the
            results.
        """
        values = snapshot(self._variables())
        lowered = self._run.lower(values, x)
        answer = concurrent.futures.Future()

        def work():
            try:
                answer.set_result(jax.block_until_ready(lowered.compile()(values, x)))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=work, name="kcomponents-inference").start()
        return lowered.out_info, answer.result


def slopes(function, arrays):
    """Return the gradients of a scalar function with respect to its arguments."""
    found = jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays)
    return [np.asarray(slope) for slope in found]


def snapshot(variables, into=None):
    """Return copies of variables: numpy arrays on a CPU, else arrays on the device.

    On a CPU, new memory costs more than the copy, and a view would prevent the compiled
    step from updating in place.
    """
    values = [getattr(variable, "value", variable) for variable in variables]
    # All are on the same kind of device; checking each costs as much as copying it.
    if next(iter(values[0].devices())).platform != "cpu":
        return [jax.numpy.copy(value) for value in values]
    into = [np.empty(v.shape, v.dtype) for v in values] if into is None else into
    for copy, value in zip(into, values, strict=True):
        np.copyto(copy, np.asarray(value))
    return into


def can_overwrite(values):
    """Return whether a snapshot can reuse the memory of these values."""
    return all(isinstance(value, np.ndarray) for value in values)


def square_sums(tensors):
    """Return the sum of squares of each tensor, compiled into one loop for each.

    The barrier separates the squares from those of the optimizer: if shared, they would
    be written to memory and read again.
    """
    widened = [jax.numpy.asarray(t, "float32") for t in tensors]
    own = jax.lax.optimization_barrier(widened)
    return jax.numpy.stack([jax.numpy.sum(jax.numpy.square(t)) for t in own])


def synchronize(model):
    """Copy the state that `fit` carries back into the model."""
    # A newer name of the same method.
    sync = getattr(model, "state_sync", None) or model.jax_state_sync
    sync()


def replica():
    """Return 0: one program is traced for all devices."""
    return 0


def keep_random_state():
    """Return an empty context: all random state is in variables."""
    return contextlib.nullcontext()


def random_state():
    """Return an empty dict: all random state is in variables."""
    return {}


def set_random_state(state):
    """Do nothing."""


def set_training_mode(model):
    """Do nothing: each call of a model has its `training` argument."""


def has_accelerator():
    """Return whether training runs on a GPU or TPU."""
    return jax.default_backend() != "cpu"


def peak_memory():
    """Return the peak memory of the first GPU in bytes, or None without a GPU."""
    found = jax.local_devices()[0].memory_stats() or {}
    return found.get("peak_bytes_in_use")


def limit_memory(share):
    """Do nothing: JAX reads the limit from the environment."""


def shape_of(function):
    """Return the shape of what a function returns; nothing is computed."""
    return tuple(jax.eval_shape(function).shape)


def share_compiled(folder):
    """Share compiled steps in a folder, unless the user has set one."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", folder)
        # Cache quickly compiled steps too: a search has hundreds of them.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
