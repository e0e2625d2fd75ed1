"""Sites: the hidden activations of a model, and the layers that feed them."""

import dataclasses
import re

import keras

from kcomponents.layers import PReLU, RReLU
from kcomponents.tuning._rewriting.graph import passes

_layers = keras.layers
# Layers that can become a maxout, layers with an `activation` argument, and activation
# layers.
WIDE = (_layers.Dense, _layers.Conv1D, _layers.Conv2D, _layers.Conv3D)
INSIDE = (
    *WIDE,
    _layers.EinsumDense,
    *(_layers.Conv1DTranspose, _layers.Conv2DTranspose, _layers.Conv3DTranspose),
    *(_layers.SeparableConv1D, _layers.SeparableConv2D),
    *(_layers.DepthwiseConv1D, _layers.DepthwiseConv2D),
)
ALONE = (
    *(_layers.Activation, _layers.ReLU, _layers.LeakyReLU, _layers.ELU),
    *(_layers.PReLU, PReLU, RReLU),
)
# A softmax compares units, in attention or an output: it is no hidden activation.
KEPT = ("linear", "softmax", "log_softmax")


@dataclasses.dataclass(frozen=True)
class Site:
    """A hidden activation: the layer that applies it, and the layer that feeds it.

    `source` is `layer` itself if it has an `activation` argument, and None if no single
    layer feeds it.
    """

    layer: keras.layers.Layer
    source: keras.layers.Layer | None


def sites(graph, exclude=(), *, all_hidden=False):
    """Return the sites of a graph, without the last activations.

    With `all_hidden`, for a model inside a model, these are included.
    """
    kept = set() if all_hidden else ends(graph)
    return [
        Site(layer, layer if isinstance(layer, INSIDE) else _source(graph, layer))
        for layer in graph.layers
        if id(layer) not in kept and _is_active(layer)
        if not _is_excluded(layer, exclude) and not _is_gate(graph, layer)
    ]


def _is_excluded(layer, patterns):
    return any(re.search(pattern, layer.name) for pattern in patterns)


def _is_gate(graph, layer):
    """Return whether the activation is a sigmoid gate, read by `Multiply` only."""
    if "sigmoid" not in getattr(_activation(layer), "__name__", ""):
        return False
    readers = graph.readers(layer)
    # Both `keras.layers.Multiply` and the operation `*`.
    return bool(readers) and all(type(r).__name__ == "Multiply" for r in readers)


def _activation(layer):
    return getattr(layer, "activation", None)


def _is_active(layer):
    if isinstance(layer, (_layers.Activation, *INSIDE)):
        # A layer or another callable counts as an activation too.
        return getattr(_activation(layer), "__name__", "") not in KEPT
    return isinstance(layer, ALONE)


def ends(graph):
    """Return IDs of the last layers with a kernel or activation, and those after."""
    found, waiting = set(), list(graph.last)
    while waiting:
        layer = waiting.pop()
        found.add(id(layer))
        if not isinstance(layer, ALONE) and not _has_kernel(layer):
            waiting += graph.before(layer)
    return found


def _has_kernel(layer):
    # Also for a layer that is not built yet.
    return isinstance(layer, (*INSIDE, keras.Model)) or not passes(layer)


def _source(graph, layer):
    """Return the linear layer that alone feeds an activation, or None."""
    while len(before := graph.before(layer)) == 1:
        [layer] = before
        if len(graph.readers(layer)) > 1:
            return None
        if isinstance(layer, INSIDE):
            linear = getattr(_activation(layer), "__name__", "") == "linear"
            return layer if linear else None
        if isinstance(layer, keras.Model) or not passes(layer):
            return None
    return None
