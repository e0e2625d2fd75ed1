"""JAX traces one program for all devices, whose gradients are global already."""

import jax
import keras


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
    finite = jax.numpy.isfinite(norm)
    if not isinstance(finite, jax.core.Tracer):
        # Outside `jit`, a branch would be compiled anew each time.
        return apply(grads, variables, norm) if finite else None
    changing = [*variables, *optimizer_variables]
    before = [variable.value for variable in changing]

    def after():
        with keras.StatelessScope(zip(changing, before, strict=True)) as scope:
            apply(grads, variables, norm)
        return [scope.get_current_value(variable) for variable in changing]

    values = jax.lax.cond(finite, after, lambda: before)
    for variable, value in zip(changing, values, strict=True):
        variable.assign(value)
