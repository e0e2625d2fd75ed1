"""Of graphs of layers: where all of what depends on some layers begins."""

from keras.src import backend

from kcomponents._keras._models import calls_of, layers_of


def gate_of(model, layers):
    """Return the layer that takes all that these layers' outputs depend on, or None.

    What comes before it, of one tensor, is then the same whatever these layers do; all
    outputs of the model come from behind it. None is also returned for a model without
    a graph, a layer that is called twice, and a tensor with a mask.
    """
    try:
        calls = calls_of(model)
    except ValueError:
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
    plain = len(tensors) == 1 and backend.get_keras_mask(tensors[0]) is None
    return gate if uses == 1 and plain else None


def _ids_below(place):
    # Operations, such as a sum, have no layers below.
    below = layers_of(place) if hasattr(place, "_layers") else [place]
    return {id(layer) for layer in below}


def _behind(calls, begins):
    """Return ids of the tensors that depend on calls where something begins."""
    behind, before = set(), None
    while before != len(behind):
        before = len(behind)
        for place, tensors, outputs in calls:
            if begins(place) or any(id(tensor) in behind for tensor in tensors):
                behind |= {id(tensor) for tensor in outputs}
    return behind
