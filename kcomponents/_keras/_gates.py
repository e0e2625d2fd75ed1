"""The layer of a graph that everything behind some layers depends on."""

import keras

from kcomponents._keras._features import MissingInKeras, module
from kcomponents._keras._models import calls_of, layers_of

masking = module("backend.common.masking")


def gate_of(model, layers):
    """Return the first layer on all paths through these layers, or None.

    It has one input tensor, which does not depend on these layers, and all outputs of
    the model come from behind it. Also returns None for a model without a graph, a
    layer that is called twice, and a tensor with a mask.
    """
    if not hasattr(masking, "get_keras_mask"):
        return None
    try:
        calls = calls_of(model)
    except (ValueError, MissingInKeras):
        return None
    wanted, below = {id(layer) for layer in layers}, {}
    for place in {id(call[0]): call[0] for call in calls}.values():
        below[id(place)] = _ids_below(place)
    behind = _behind(calls, lambda place: bool(wanted & below[id(place)]))
    entering = [
        (place, tensors)
        for place, tensors, outputs in calls
        if any(id(tensor) in behind for tensor in outputs)
        and any(id(tensor) not in behind for tensor in tensors)
    ]
    if len(entering) != 1 or any(id(t) not in behind for t in model.outputs):
        return None
    [(gate, tensors)] = entering
    uses = sum(id(gate) in below[id(place)] for place, _, _ in calls)
    plain = len(tensors) == 1 and masking.get_keras_mask(tensors[0]) is None
    return gate if uses == 1 and plain else None


def _ids_below(place):
    # Operations, such as a sum, have no sublayers.
    below = layers_of(place) if isinstance(place, keras.Layer) else [place]
    return {id(layer) for layer in below}


def _behind(calls, begins):
    """Return the ids of tensors that depend on the calls for which `begins` is true."""
    behind, before = set(), None
    while before != len(behind):
        before = len(behind)
        for place, tensors, outputs in calls:
            if begins(place) or any(id(tensor) in behind for tensor in tensors):
                behind |= {id(tensor) for tensor in outputs}
    return behind
