"""Operations that differ between backends, under the same names.

- `apply_if_finite(norm, apply, grads, variables, optimizer_variables)`: call
  `apply(grads, variables, norm)` if the scalar `norm` is finite; otherwise change
  nothing.
- `batch_iterator(batches, iterator)`: an iterator over batches already drawn from
  `iterator`, in a form that the train function accepts; None if it accepts none.
- `builds_optimizer_in_step`: whether the first step, and not `fit`, builds the
  optimizer.
- `can_overwrite(values)`: whether a later snapshot can reuse the memory of these
  values.
- `carries_state`: whether a compiled step returns the variables it changes, so that all
  of them must be passed to it.
- `compile_aside(function, *arguments)`: a thread that compiles a function that
  `compiled` returned for these arguments; None if the backend cannot do so.
- `compiled(function)`: the same function of tensors, or lists and dicts of tensors,
  without gradients. Side effects happen when it is traced, or at each call.
- `current_graph()`: the graph under construction, or None.
- `defers`: whether small operations are collected and run for many steps at once,
  because each operation is a call from Python.
- `end_of_data`: the exceptions of a step, or of a callback after it, with which Keras
  ends the epoch instead of the training.
- `fetch(variables)`: for each variable its values as arrays, one per replica.
- `fill(variables, values)`: assign a value to each variable, on every replica.
- `has_accelerator()`: whether training runs on a GPU or TPU.
- `inference(model, call, often)`: a function from inputs to the outputs of the model,
  or to those of `call`, a function of inputs that calls the model. It changes nothing.
  If it is called `often`, it may be compiled where other functions are not. Where it
  always is, its method `begin` computes in a thread.
- `keep_random_state()`: a context that restores the random state at its end: that of
  the backend, of `random` and of `numpy.random`.
- `limit_memory(share)`: limit this process to a fraction of the memory of its GPU.
- `may_stack_batches`: whether Keras may hand the batches of several steps to the train
  function as one item.
- `max_may_drop_nan`: whether a maximum over numbers and NaN may be a number.
- `measured_together(statistics, kind, stacked)`: the statistics of collected steps,
  with the steps on the first axis; `None` if no steps are collected.
- `on_host(variable)`: its value as an array that may share the memory of the variable,
  so neither change nor keep it.
- `on_first_replica(tensors)`: the tensors on the first replica, zeros on the others.
- `peak_memory()`: the peak memory of the first GPU in bytes, or None without a GPU.
- `random_state()`: the state of the generators of unseeded random numbers.
- `release_graphs(graphs)`: release graphs that a backend would keep until the process
  ends; no gradients are computed through them later.
- `repeats_order`: whether Keras shuffles arrays in the same way in each epoch after
  `keras.utils.set_random_seed`.
- `replica()`: the index of the current replica.
- `replica_variables(variable)`: the variables with its values, one for each replica.
- `scope(model)`: the context in which to create variables for a model.
- `set_random_state(state)`: restore the result of `random_state`.
- `set_training_mode(model)`: set a model back to training after an evaluation.
- `share_compiled(folder)`: share compiled steps between the processes that use the same
  folder.
- `slopes(function, arrays)`: gradients of a scalar function with respect to each
  argument.
- `snapshot(variables, into)`: copies of variables on their device; if it costs less,
  into the memory of an earlier snapshot.
- `square_sums(tensors)`: the sum of squares of each tensor, as one float32 vector.
- `shape_of(function)`: the shape of what a function without arguments returns, without
  compiling its operations.
- `StepBuffer(capacity)`: the values of collected steps; `None` if none are collected.
- `sum_over_replicas(grads)`: the sum of each gradient over all replicas.
- `synchronize(model)`: update its variables to the values of the last step.
- `trace_level()`: equal at two places unless one is inside a loop, a map or a branch.
- `value_and_library(variable)`: its value, and `keras.ops` or numpy to compute with it.
- `worth_stacking`: for up to this many elements, copying equal shapes into one tensor
  costs less than an operation for each.
"""

import contextlib
import random

import keras
import numpy as np

if keras.backend.backend() == "tensorflow":
    from kcomponents._backends import tensorflow as backend
elif keras.backend.backend() == "jax":
    from kcomponents._backends import jax as backend
elif keras.backend.backend() == "torch":
    from kcomponents._backends import torch as backend
else:
    raise ImportError(
        "kcomponents needs Keras with the backend tensorflow, jax or torch. Set the "
        "environment variable KERAS_BACKEND to one of them before you import keras. "
        f"Received: backend={keras.backend.backend()!r}"
    )

apply_if_finite = backend.apply_if_finite
batch_iterator = backend.batch_iterator
builds_optimizer_in_step = backend.builds_optimizer_in_step
can_overwrite = backend.can_overwrite
carries_state = backend.carries_state
compile_aside = getattr(backend, "compile_aside", None)
compiled = backend.compiled
current_graph = backend.current_graph
defers = backend.defers
end_of_data = backend.end_of_data
fetch = backend.fetch
fill = backend.fill
has_accelerator = backend.has_accelerator
inference = backend.inference
limit_memory = backend.limit_memory
may_stack_batches = backend.may_stack_batches
max_may_drop_nan = backend.max_may_drop_nan
measured_together = getattr(backend, "measured_together", None)
on_first_replica = backend.on_first_replica
on_host = backend.on_host
peak_memory = backend.peak_memory
random_state = backend.random_state
release_graphs = backend.release_graphs
repeats_order = backend.repeats_order
replica = backend.replica
replica_variables = backend.replica_variables
scope = backend.scope
set_random_state = backend.set_random_state
set_training_mode = backend.set_training_mode
shape_of = backend.shape_of
share_compiled = backend.share_compiled
slopes = backend.slopes
snapshot = backend.snapshot
square_sums = backend.square_sums
StepBuffer = getattr(backend, "StepBuffer", None)
sum_over_replicas = backend.sum_over_replicas
synchronize = backend.synchronize
trace_level = backend.trace_level
worth_stacking = backend.worth_stacking


@contextlib.contextmanager
def keep_random_state():
    """Restore the state of all generators of unseeded random numbers at the end."""
    python, array = random.getstate(), np.random.get_state()
    try:
        with backend.keep_random_state():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(array)


def value_and_library(variable):
    """Return the value of a variable, and `keras.ops` or numpy to compute with it.

    On a CPU numpy, as JAX would compile each operation for each shape. The value is
    neither to be changed nor to be kept.
    """
    if has_accelerator():
        return variable.value, keras.ops
    return on_host(variable), np
