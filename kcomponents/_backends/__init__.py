"""What must be said differently on each backend, under the same names.

- `again(batches, iterator)`: an iterator over batches that were drawn from another one,
  which the train function takes in its place; None where it would take none.
- `apply_if_finite(norm, apply, grads, variables, optimizer_variables)`: `apply(grads,
  variables, norm)` if the scalar `norm` is finite; if not, nothing changes.
- `branch(condition, then, otherwise, changing)`: call one of two functions, which
  return nothing and change some of the variables `changing`. Where replicas cannot
  hold a branch, `then` is called always.
- `carries_state`: whether a compiled step returns the variables it changed, so that it
  must know each of them beforehand.
- `cheap_branches`: whether to branch around the work of an optimizer costs less than to
  measure each of its steps; branches of JAX copy what they change.
- `counts`: what counts the steps of which some are looked at: Python at each call of
  the optimizer (`"calls"`), or at each call of the train function, of which there is
  one for those steps (`"steps"`), or a variable on the `"device"`.
- `defers`: whether small work is put off and done for many steps at once, since each
  operation is called from Python.
- `fetch(variables)`: for each variable its values as arrays, one per replica.
- `fill(variables, values)`: set each variable, on every replica.
- `graph()`: the graph under construction, or None where there is none.
- `inference(model)`: a function of the inputs that returns what the model makes of them
  and changes nothing.
- `keep_random_state()`: the context after which random numbers go on as before it.
- `let_go(graphs)`: these too, where a backend would keep them for good; nobody takes
  gradients through them any more.
- `max_may_drop_nan`: whether a maximum over NaN and numbers may be a number.
- `measured_together(statistics, waiting)`: what was put off, each statistic with the
  steps on its first axis; `None` where nothing is.
- `on_first_replica(tensors)`: the tensors there, zeros on the other replicas.
- `parts(variable)`: what holds its values, on each replica its own.
- `random_state()`: of the generators that unseeded random numbers come from.
- `replica()`: the number of the replica at work.
- `scope(model)`: the context in which variables of a model's kind are made.
- `serves_again(values)`: whether their memory does for another snapshot.
- `set_random_state(state)`: let them go on from that.
- `slopes(function, arrays)`: gradients of a scalar function by each of its arguments.
- `snapshot(variables, into)`: copies of variables, where these are; where copying into
  memory that is there costs less, into that of an earlier snapshot, if it is given.
- `square_sums(tensors)`: the sum of squares of each, as one vector in float32.
- `sum_over_replicas(grads)`: the sum of each gradient over all replicas.
- `synchronize(model)`: let its variables hold the values of the last step.
- `to_training(model)`: let a model that was evaluated go on training.
- `trace_level()`: equal at two places unless one is inside a loop, a map or a branch.
- `worth_stacking`: up to this many elements, copying equal shapes into one tensor costs
  less than an operation for each.
"""

import keras

from kcomponents._backends._graphs import graph as graph
from kcomponents._backends._graphs import let_go as let_go

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
