"""Rectifier activations, the pieces of maxout layers, and NaN in weights."""

import numpy as np
from keras import ops

from kcomponents import _keras
from kcomponents.probes._watched import named_layers

# Activation → whether a unit that never fires still learns.
LEARNS = {
    "relu": "no",
    "relu6": "no",
    "leaky_relu": "yes",
    "prelu": "yes",
    "rrelu": "yes",
    "elu": "slowly",
    "selu": "slowly",
    "celu": "slowly",
    "maxout": "unit only",
}


def is_rectifier(watched):
    """Return whether a layer applies a rectifier whose units can be counted."""
    if watched.activation == "maxout":
        # The pieces of a maxout inside another layer or a wrapper are not visible.
        return hasattr(watched.layer, "grouping")
    return watched.activation in LEARNS


def every_piece(view, outputs):
    """Repeat the outputs of maxout units so that each piece has its unit's output."""
    layer, axis = view.layer, view.axis
    units = outputs.shape[axis]
    if sizes := getattr(layer, "group_sizes", None):
        return ops.take(outputs, np.repeat(np.arange(units), sizes), axis)
    pieces = view.inputs.shape[axis] // units
    if layer.grouping == "strided":
        return ops.concatenate([outputs] * pieces, axis)
    return ops.repeat(outputs, pieces, axis)


def nan_weights(model, layer, fired):
    """Return for each unit whether its weights contain NaN.

    Outputs do not always show it: in TensorFlow graphs without XLA, a dense layer and
    its ReLU are fused into one operation that turns NaN into 0.
    """
    found = np.zeros(fired.shape, bool)
    source = _weighted(model, layer)
    for weight in source.weights if source else ():
        if weight.shape and weight.shape[-1] == found.size and "float" in weight.dtype:
            axes = tuple(range(len(weight.shape) - 1))
            nan = ops.isnan(weight.value)
            found |= ops.convert_to_numpy(ops.any(nan, axes) if axes else nan)
    # The layer before may not feed this one, so count only units that never fired.
    return found if source is layer else found & ~fired


def _weighted(model, layer):
    """Return the layer if it has weights, else the last layer before it that does."""
    before = None
    for other in named_layers(model).values():
        if other is layer:
            return layer if layer.weights else before
        if other.weights and not _keras.sublayers(other):
            before = other
    return before
