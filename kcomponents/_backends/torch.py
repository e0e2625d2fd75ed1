"""PyTorch runs eagerly, so plain Python decides; it has one replica a process."""

import contextlib

import numpy as np
import torch
from keras import ops

carries_state = False
cheap_branches = True
counts_in_python = True
worth_stacking = 0


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


def branch(condition, then, otherwise, changing):
    """Do one of two things."""
    then() if condition else otherwise()


def scope(model):
    """Return an empty context."""
    return contextlib.nullcontext()


def fetch(variables):
    """Return for each variable a list of its value as an array, in one transfer."""
    if not variables:
        return []
    flat = torch.cat([v.value.detach().reshape(-1) for v in variables]).cpu().numpy()
    ends = np.cumsum([v.value.numel() for v in variables])[:-1]
    parts = zip(np.split(flat, ends), variables, strict=True)
    return [[part.reshape(v.shape)] for part, v in parts]


def fill(variables, values):
    """Set each variable to a value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def square_sums(tensors):
    """Return the sum of squares of each tensor, in one call for all of them."""
    widened = [t.detach().to(torch.float32) for t in tensors]
    return torch.stack(torch._foreach_norm(widened)).square()


def trace_level():
    """Return whether a function transform such as `vmap` is at work."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def synchronize(model):
    """Do nothing: variables hold their values at all times."""


def replica():
    """Return 0: a process has one replica."""
    return 0


def keep_random_state():
    """Return a context for the generators of torch, which unseeded dropout uses."""
    return torch.random.fork_rng(range(torch.cuda.device_count()))
