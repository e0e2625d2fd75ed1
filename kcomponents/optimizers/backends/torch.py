"""PyTorch runs eagerly, so plain Python decides; it has one replica a process."""

from keras import ops


def sum_over_replicas(grads):
    """Return the gradients as they are."""
    return grads


def on_first_replica(tensors):
    """Return the tensors as they are."""
    return tensors


def apply_if_finite(norm, apply, grads, variables, optimizer_variables):
    """Apply the gradients if their norm is finite."""
    if ops.isfinite(norm):
        apply(grads, variables, norm)
