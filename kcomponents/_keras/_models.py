"""Models and metrics."""

import keras

from kcomponents._check import fail
from kcomponents._keras._features import module, needed

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


def asked_metrics(model):
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
