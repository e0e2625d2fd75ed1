"""Squared norms of many tensors in few operations."""

import collections
import math

from keras import ops

from kcomponents import _backends
from kcomponents._precision import widened

# Fewer tensors of one shape are not stacked, because stacking takes operations too.
MANY = 8


def square_sums(tensors):
    """Return the sum of squares of each tensor, as one vector in float32.

    Small tensors of equal shape are stacked and squared together, so that a model with
    many layers needs few operations, instead of a few per variable.
    """
    if not _backends.worth_stacking:
        return _backends.square_sums(tensors)
    groups = collections.defaultdict(list)
    for place, tensor in enumerate(tensors):
        shape = tuple(tensor.shape)
        small = None not in shape and math.prod(shape) <= _backends.worth_stacking
        groups[shape if small else None].append(place)
    alone = groups.pop(None, [])
    stacks = [places for places in groups.values() if len(places) >= MANY]
    alone += [i for places in groups.values() if len(places) < MANY for i in places]
    alone.sort()
    parts = [_of_stack([tensors[i] for i in places]) for places in stacks]
    if alone:
        parts.append(_backends.square_sums([tensors[i] for i in alone]))
    order = [i for places in stacks for i in places] + alone
    found = ops.concatenate(parts) if len(parts) > 1 else parts[0]
    if order == sorted(order):
        return found
    return ops.take(found, sorted(range(len(order)), key=order.__getitem__))


def _of_stack(tensors):
    stack = widened(ops.stack(tensors))
    return ops.sum(ops.square(ops.reshape(stack, (len(tensors), -1))), axis=1)
