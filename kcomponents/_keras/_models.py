"""Of models and metrics."""

from keras.src.backend.common import stateless_scope

from kcomponents._check import fail


def sublayers(layer):
    """Return the layers directly below a layer or model, in order."""
    return list(layer._layers)


def layers_of(layer, seen=None):
    """Return a layer or model and all layers below it, each once, in order."""
    seen = {} if seen is None else seen
    if id(layer) not in seen:
        seen[id(layer)] = layer
        for below in sublayers(layer):
            layers_of(below, seen)
    return list(seen.values())


def asked_metrics(model):
    """Return what `compile` was given as `metrics` and as `weighted_metrics`."""
    for metric in model.metrics:
        if hasattr(metric, "_user_weighted_metrics"):
            return [metric._user_metrics, metric._user_weighted_metrics]
    return []


def built_metrics(model):
    """Return the metrics of a model, of those from `compile` what is built by now."""
    metrics = getattr(model, "metrics", ())
    return [part for metric in metrics for part in getattr(metric, "metrics", [metric])]


def metric_direction(metric):
    """Return `"up"` or `"down"`, what makes a metric better, or None if it says not."""
    return getattr(metric, "_direction", None)


def in_stateless_scope():
    """Return whether assignments to variables are collected instead of done."""
    return stateless_scope.in_stateless_scope()


def calls_of(model):
    """Return layer or operation, tensors in and tensors out of each call in a graph.

    Raises:
        ValueError: If there is no graph, as of a model that is subclassed or not built.
    """
    graph = getattr(model, "_functional", None) or model
    if not model.built or not hasattr(graph, "_nodes_by_depth"):
        rule = "`model` must be a built `Sequential` or functional model."
        fail(rule, model=model.name)
    nodes = [node for level in graph._nodes_by_depth.values() for node in level]
    return [(n.operation, n.input_tensors, n.outputs) for n in nodes]
