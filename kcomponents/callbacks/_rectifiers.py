"""Rectifiers: which activations they are, their pieces, and NaN in their weights."""

import numpy as np
from keras import ops

from kcomponents import _keras
from kcomponents.probes._watched import named_layers

# Activation → whether a unit that never fires gets a gradient.
LEARNS = {
    "relu": "no",
    "relu6": "no",
    "leaky_relu": "yes",
    "prelu": "yes",
    "rrelu": "yes",
    "elu": "slowly",
    "selu": "slowly",
    "celu": "slowly",
    "maxout": "its unit",
}


def is_rectifier(watched):
    """Tell a watched layer whose activation is known, and for maxout its pieces."""
    if watched.activation == "maxout":
        # The pieces within another layer or a wrapper are not seen.
        return hasattr(watched.layer, "grouping")
    return watched.activation in LEARNS


def every_piece(view, outputs):
    """Return the outputs of maxout units at the places of all of their pieces."""
    layer, axis = view.layer, view.axis
    units = outputs.shape[axis]
    if sizes := getattr(layer, "group_sizes", None):
        return ops.take(outputs, np.repeat(np.arange(units), sizes), axis)
    pieces = view.inputs.shape[axis] // units
    if layer.grouping == "strided":
        return ops.concatenate([outputs] * pieces, axis)
    return ops.repeat(outputs, pieces, axis)


def nan_weights(model, layer, fired):
    """Return for each unit whether the weights that make it hold NaN.

    Outputs do not always tell: on TensorFlow, in graphs without XLA, a dense layer and
    its ReLU become one operation that turns NaN into 0.
    """
    found = np.zeros(fired.shape, bool)
    source = _weighted(model, layer)
    for weight in source.weights if source else ():
        if weight.shape and weight.shape[-1] == found.size and "float" in weight.dtype:
            axes = tuple(range(len(weight.shape) - 1))
            nan = ops.isnan(weight.value)
            found |= ops.convert_to_numpy(ops.any(nan, axes) if axes else nan)
    # Another layer is only presumed to feed this one: a unit that fired is well.
    return found if source is layer else found & ~fired


def _weighted(model, layer):
    """Return the layer if it has weights, else the one listed before it that has."""
    before = None
    for other in named_layers(model).values():
        if other is layer:
            return layer if layer.weights else before
        if other.weights and not _keras.sublayers(other):
            before = other
    return before
