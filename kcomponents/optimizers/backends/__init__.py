"""What an optimizer must say differently on each backend, under the same names.

- `sum_over_replicas(grads)`: the sum of each gradient over all replicas.
- `on_first_replica(tensors)`: the tensors there, zeros on the other replicas.
- `apply_if_finite(norm, apply, grads, variables, optimizer_variables)`: `apply(grads,
  variables, norm)` if the scalar `norm` is finite; if not, nothing changes.
"""

import keras

if keras.backend.backend() == "tensorflow":
    from kcomponents.optimizers.backends import tensorflow as backend
elif keras.backend.backend() == "jax":
    from kcomponents.optimizers.backends import jax as backend
else:
    from kcomponents.optimizers.backends import torch as backend

apply_if_finite = backend.apply_if_finite
on_first_replica = backend.on_first_replica
sum_over_replicas = backend.sum_over_replicas
