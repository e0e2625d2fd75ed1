"""Models and metrics: layers, graphs, and the arguments of `compile`."""

import keras

from kcomponents._checks import fail
from kcomponents._keras.features import MissingInKeras, module, needed

functional = module("models.functional")
masking = module("backend.common.masking")
stateless_scope = module("backend.common.stateless_scope")


def sublayers(layer):
    """Return the layers directly below a layer or model, in order."""
    return list(needed(layer, "Layer._layers"))


def layers_of(layer, seen=None):
    """Return a layer or model and all layers below it, each once, in order."""
    seen = {} if seen is None else seen
    if id(layer) not in seen:
        seen[id(layer)] = layer
        for below in sublayers(layer):
            layers_of(below, seen)
    return list(seen.values())


def operations_of(model):
    """Return the layers and operations in the graph of a functional model, in order.

    An operation is what a function of `keras.ops` leaves in the graph. Returns `[]` for
    other models, and for layers.
    """
    found = getattr(model, "operations", None) if isinstance(model, keras.Model) else []
    # A class may have something else under this name.
    return [op for op in found or [] if isinstance(op, keras.Operation)]


def other_arguments(operation):
    """Return what an operation in a graph was called with besides its tensors."""
    found = []
    for node in getattr(operation, "_inbound_nodes", None) or []:
        arguments = [*node.arguments.args, *node.arguments.kwargs.values()]
        found += [a for a in arguments if not isinstance(a, keras.KerasTensor)]
    return found


def metric_arguments(model):
    """Return the arguments `metrics` and `weighted_metrics` of `compile`."""
    names = "_user_metrics", "_user_weighted_metrics"
    for metric in model.metrics:
        if all(hasattr(metric, name) for name in names):
            return [getattr(metric, name) for name in names]
    return []


def built_metrics(model):
    """Return the metrics of a model; those of `compile` only once they are built."""
    metrics = getattr(model, "metrics", ())
    return [part for metric in metrics for part in getattr(metric, "metrics", [metric])]


def metric_direction(metric):
    """Return `"up"` or `"down"`, the better direction of a metric, or None."""
    return getattr(metric, "_direction", None)


def in_stateless_scope():
    """Return whether assignments to variables are collected in a stateless scope."""
    inside = getattr(stateless_scope, "in_stateless_scope", None)
    # The `train_step` of Keras has such a scope.
    return True if inside is None else inside()


def calls_of(model):
    """Return the layer or operation, inputs and outputs of each call in a graph.

    Raises:
        ValueError: If the model has no graph: it is subclassed or not built.
    """
    chain = isinstance(model, keras.Sequential)
    graph = needed(model, "Sequential._functional") if chain else model
    # Public, unlike the nodes of a graph.
    if not model.built or not hasattr(graph, "operations"):
        rule = "`model` must be a built `Sequential` or functional model."
        fail(rule, model=model.name)
    levels = needed(graph, "Function._nodes_by_depth").values()
    nodes = [node for level in levels for node in level]
    return [(n.operation, n.input_tensors, n.outputs) for n in nodes]


def is_plain(model):
    """Return whether a model is just its layers: a `Sequential` or functional model."""
    kind = needed(functional, "functional.Functional")
    return type(model) in (keras.Sequential, kind)


def compile_arguments(model):
    """Return the arguments of `compile`, not copied, or an empty dict."""
    if not model.compiled:
        return {}
    return dict(needed(model, "Model._compile_config").config)


def mask_of(tensor):
    """Return the mask that layers attached to a tensor, or None."""
    find = getattr(masking, "get_keras_mask", None)
    return None if find is None else find(tensor)


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
    plain = len(tensors) == 1 and mask_of(tensors[0]) is None
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
