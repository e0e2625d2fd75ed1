"""Operations that differ between backends, under the same names.

- `again(batches, iterator)`: an iterator over batches already drawn from `iterator`, in
  a form that the train function accepts; None if it accepts none.
- `apply_if_finite(norm, apply, grads, variables, optimizer_variables)`: call
  `apply(grads, variables, norm)` if the scalar `norm` is finite; otherwise change
  nothing.
- `branch(condition, then, otherwise, changing)`: call one of two functions, which
  return nothing and change some of the variables `changing`. If replicas do not support
  branches, always call `then`.
- `carries_state`: whether a compiled step returns the variables it changes, so that all
  of them must be passed to it.
- `cheap_branches`: whether a branch around the work of an optimizer costs less than
  measuring each step; branches of JAX copy the variables that they change.
- `counts`: what counts the steps if only some are measured: Python at each call of the
  optimizer (`"calls"`), Python at each call of the train function, which then runs one
  step (`"steps"`), or a variable (`"device"`).
- `defers`: whether small operations are collected and run for many steps at once,
  because each operation is a call from Python.
- `fetch(variables)`: for each variable its values as arrays, one per replica.
- `fill(variables, values)`: assign a value to each variable, on every replica.
- `graph()`: the graph under construction, or None.
- `inference(model)`: a function from inputs to the outputs of the model, which changes
  nothing.
- `keep_random_state()`: a context that restores the random state at its end.
- `let_go(graphs)`: release graphs that a backend would keep forever; no gradients are
  computed through them later.
- `max_may_drop_nan`: whether a maximum over numbers and NaN may be a number.
- `measured_together(statistics, waiting)`: the statistics of collected steps, with the
  steps on the first axis; `None` if no steps are collected.
- `on_first_replica(tensors)`: the tensors on the first replica, zeros on the others.
- `parts(variable)`: the variables with its values, one for each replica.
- `random_state()`: the state of the generators of unseeded random numbers.
- `replica()`: the index of the current replica.
- `scope(model)`: the context in which to create variables for a model.
- `serves_again(values)`: whether another snapshot can reuse the memory of these values.
- `set_random_state(state)`: restore the result of `random_state`.
- `slopes(function, arrays)`: gradients of a scalar function with respect to each
  argument.
- `snapshot(variables, into)`: copies of variables on their device; if it costs less,
  into the memory of an earlier snapshot.
- `square_sums(tensors)`: the sum of squares of each tensor, as one float32 vector.
- `sum_over_replicas(grads)`: the sum of each gradient over all replicas.
- `synchronize(model)`: update its variables to the values of the last step.
- `to_training(model)`: set a model back to training after an evaluation.
- `trace_level()`: equal at two places unless one is inside a loop, a map or a branch.
- `worth_stacking`: for up to this many elements, copying equal shapes into one tensor
  costs less than an operation for each.
"""

import keras

from kcomponents._backends.graphs import graph as graph
from kcomponents._backends.graphs import let_go as let_go

if keras.backend.backend() == "tensorflow":
    from kcomponents._backends import tensorflow as backend
elif keras.backend.backend() == "jax":
    from kcomponents._backends import jax as backend
else:
    from kcomponents._backends import torch as backend

again = backend.again
apply_if_finite = backend.apply_if_finite
branch = backend.branch
carries_state = backend.carries_state
cheap_branches = backend.cheap_branches
counts = backend.counts
defers = backend.defers
fetch = backend.fetch
fill = backend.fill
inference = backend.inference
keep_random_state = backend.keep_random_state
max_may_drop_nan = backend.max_may_drop_nan
measured_together = getattr(backend, "measured_together", None)
on_first_replica = backend.on_first_replica
parts = backend.parts
random_state = backend.random_state
replica = backend.replica
scope = backend.scope
serves_again = backend.serves_again
set_random_state = backend.set_random_state
slopes = backend.slopes
snapshot = backend.snapshot
square_sums = backend.square_sums
sum_over_replicas = backend.sum_over_replicas
synchronize = backend.synchronize
to_training = backend.to_training
trace_level = backend.trace_level
worth_stacking = backend.worth_stacking
