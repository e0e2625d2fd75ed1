"""PyTorch: runs eagerly, so plain Python branches; a process has one replica."""

import contextlib

import numpy as np
import torch
from keras import ops

from kcomponents._backends.stateless import unchanged

builds_optimizer_in_step = False
carries_state = False
defers = True
end_of_data = ()
repeats_order = False
may_stack_batches = False
max_may_drop_nan = False
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


def scope(model):
    """Return an empty context."""
    return contextlib.nullcontext()


def fetch(variables):
    """Return a list with the value of each variable as an array, in one transfer."""
    if not variables:
        return []
    flat = torch.cat([v.value.detach().reshape(-1) for v in variables]).cpu().numpy()
    ends = np.cumsum([v.value.numel() for v in variables])[:-1]
    parts = zip(np.split(flat, ends), variables, strict=True)
    return [[part.reshape(v.shape)] for part, v in parts]


def on_host(variable):
    """Return the value of a variable as an array."""
    return ops.convert_to_numpy(variable.value)


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
    """Return None: PyTorch builds no graph of a step."""


def release_graphs(graphs):
    """Do nothing."""


def compiled(function):
    """Return the function without gradients; PyTorch compiles nothing."""
    return torch.no_grad()(function)


def inference(model, call=None, often=False):
    """Return the model, or `call`, as a function of inputs without side effects."""
    call = call or (lambda x: model(x, training=False))

    def run(x):
        with torch.no_grad(), keep_random_state(), unchanged(model):
            return call(x)

    return run


def slopes(function, arrays):
    """Return the gradients of a scalar function with respect to its arguments."""
    tensors = [ops.convert_to_tensor(a).detach().requires_grad_() for a in arrays]
    with torch.enable_grad():
        value = function(*tensors)
    found = torch.autograd.grad(value, tensors, allow_unused=True)
    pairs = zip(found, tensors, strict=True)
    return [ops.convert_to_numpy(t * 0 if g is None else g) for g, t in pairs]


def snapshot(variables, into=None):
    """Return copies of variables; on a CPU, in the memory of an earlier snapshot."""
    values = [getattr(v, "value", v).detach() for v in variables]
    if any(value.device.type != "cpu" for value in values):
        return [value.clone() for value in values]
    into = [torch.empty_like(value) for value in values] if into is None else into
    for copy, value in zip(into, values, strict=True):
        copy.copy_(value)
    return into


def can_overwrite(values):
    """Return whether a snapshot can reuse the memory of these values."""
    return all(value.device.type == "cpu" for value in values)


def square_sums(tensors):
    """Return the sum of squares of each tensor, in one call for all."""
    widened = [t.detach().to(torch.float32) for t in tensors]
    return torch.stack(torch._foreach_norm(widened)).square()


def trace_level():
    """Return whether a function transform such as `vmap` is active."""
    if torch.compiler.is_compiling():
        # The compiler handles transforms itself, and does not support this check.
        return False
    return torch._C._functorch.peek_interpreter_stack() is not None


def synchronize(model):
    """Do nothing: variables are always up to date."""


def replica():
    """Return 0: a process has one replica."""
    return 0


def keep_random_state():
    """Return a context that restores the torch generators, used by unseeded dropout."""
    return torch.random.fork_rng(range(torch.cuda.device_count()))


def random_state():
    """Return the state of the torch generators, as arrays."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "host": torch.get_rng_state().numpy(),
        "devices": [state.numpy() for state in devices],
    }


def set_random_state(state):
    """Restore the state of the torch generators."""
    torch.set_rng_state(torch.from_numpy(np.array(state["host"])))
    for device, found in enumerate(state["devices"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(torch.from_numpy(np.array(found)), device)


def set_training_mode(model):
    """Set the modules back to training mode, which evaluation changes."""
    model.train()


class StepBuffer:
    """The same values of several steps, stacked in memory that is allocated once.

    Tensors that outlive their step would lie between those of later steps, and so keep
    memory from being reused: a process then grows by up to a fifth.

    Args:
        capacity: Integer, the most steps.
    """

    def __init__(self, capacity):
        self._capacity, self._count = capacity, 0
        # For each value the memory of all steps and a view of each, or a list of
        # numbers, which need no operation.
        self._columns = None

    def __len__(self):
        return self._count

    @torch.no_grad()
    def add(self, values):
        """Copy the values of one step, tensors or numbers."""
        if self._columns is None:
            self._columns = [self._column(value) for value in values]
        for (memory, rows), value in zip(self._columns, values, strict=True):
            if memory is None:
                rows.append(value)
            else:
                rows[self._count].copy_(torch.as_tensor(value))
        self._count += 1

    def _column(self, value):
        if not isinstance(value, torch.Tensor):
            return None, []
        memory = value.new_empty((self._capacity, *value.shape))
        return memory, memory.unbind()

    def stacked(self):
        """Return each value of all steps, with the steps on a new first axis."""
        columns = self._columns or ()
        [device, *_] = [m.device for m, _ in columns if m is not None] or [None]
        return [
            torch.as_tensor(rows, device=device)
            if memory is None
            else memory[: self._count]
            for memory, rows in columns
        ]

    def clear(self):
        """Forget the steps, and keep the memory."""
        self._count = 0
        for memory, numbers in self._columns or ():
            if memory is None:
                numbers.clear()


@torch.no_grad()
def measured_together(statistics, kind, stacked):
    """Return statistics of many steps, with the steps on the first axis.

    Args:
        statistics: List of `Statistic`.
        kind: Class of the views.
        stacked: List of the fields of the views, with the steps on the first axis.
    """

    def measure(*values):
        view = kind(*values)
        return tuple(view.measured(statistic) for statistic in statistics)

    try:
        return torch.vmap(measure)(*stacked)
    except Exception:
        # A custom statistic may not support `vmap`.
        found = [measure(*values) for values in zip(*stacked, strict=True)]
        return [torch.stack(steps) for steps in zip(*found, strict=True)]


def has_accelerator():
    """Return whether training runs on a GPU."""
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def peak_memory():
    """Return the peak memory of the GPU in bytes, or None without a GPU."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def limit_memory(share):
    """Limit this process to a fraction of the memory of its GPU."""
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)


def shape_of(function):
    """Return the shape of what a function returns."""
    return tuple(function().shape)


def share_compiled(folder):
    """Do nothing: PyTorch compiles no step here."""
