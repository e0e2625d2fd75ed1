"""A forward pass of a model that also measures what its layers get and give."""

import keras
import numpy as np
from keras import ops

from kcomponents import _backends, _keras
from kcomponents._keras.method_covers import MethodCovers
from kcomponents._tensors import widened
from kcomponents.probes.layer_walk import named_layers, runs_in_scan

# What is measured of the first input of a layer; the spread is that over samples.
MEASURED = "mean", "std", "min", "max", "spread"


class ForwardPass:
    """Runs a model in inference mode, and measures its layers with weights.

    Args:
        model: Keras model, built.

    Attributes:
        layers: Dict of path to facts about each layer with weights, in the order in
            which they are called: the scale of its first input in the last run.
        added_losses: Integer, how often a layer added a loss of its own.
    """

    def __init__(self, model):
        self.model, self.layers, self.added_losses = model, {}, 0
        self._run = _backends.inference(model, self._call)
        self._paths = []

    def run(self, x):
        """Return predictions and their masks, or None, as nested arrays."""
        _backends.synchronize(self.model)
        with _backends.keep_random_state():
            outputs, masks, numbers = self._run(x)
        for path, found in zip(self._paths, numbers, strict=True):
            values = np.asarray(keras.ops.convert_to_numpy(found), "float64")
            self.layers[path] |= dict(zip(MEASURED, values.tolist(), strict=True))
        masks = [None if m is None else ops.convert_to_numpy(m) for m in masks]
        return keras.tree.map_structure(ops.convert_to_numpy, outputs), masks

    def _call(self, x):
        covers, seen = MethodCovers(), {}
        self.added_losses = 0
        level = _backends.trace_level()
        try:
            for path, layer in layers_with_weights(self.model).items():
                covers.cover(layer, "call", self._cover(path, layer, seen, level))
            for layer in named_layers(self.model).values():
                covers.cover(layer, "add_loss", self._count)
            outputs = self.model(x, training=False)
        finally:
            covers.remove()
        self._paths = list(seen)
        masks = [_keras.mask_of(leaf) for leaf in keras.tree.flatten(outputs)]
        return outputs, masks, list(seen.values())

    def _cover(self, path, layer, seen, level):
        def make(original):
            def call(*args, **kwargs):
                wanted = path not in seen and args and _backends.trace_level() == level
                if wanted:
                    [first, *_] = keras.tree.flatten(args[0])
                    self._describe(path, layer, first)
                    if (found := _measured(first)) is not None:
                        seen[path] = found
                return original(*args, **kwargs)

            return call

        return make

    def _describe(self, path, layer, x):
        self.layers[path] = {
            "class": type(layer).__name__,
            "input_dim": getattr(layer, "input_dim", None),
            "shape": list(x.shape[1:]),
        }
        if self.layers[path]["input_dim"] and not _backends.carries_state:
            # Before the call, which fails if an id is out of range.
            extremes = {"min": ops.min(x), "max": ops.max(x)}
            self.layers[path] |= {
                name: float(ops.convert_to_numpy(number))
                for name, number in extremes.items()
            }

    def _count(self, original):
        def add_loss(*args, **kwargs):
            self.added_losses += 1
            return original(*args, **kwargs)

        return add_loss


def layers_with_weights(model):
    """Return path → layer for the layers that multiply by weights of their own.

    A recurrent layer counts as one, and not its cell.
    """
    layers = named_layers(model)
    loops = [layer for layer in layers.values() if runs_in_scan(layer)]
    inside = {id(below) for la in loops for below in named_layers(la).values()}
    found = {}
    for path, layer in layers.items():
        kernels = any(len(weight.shape) > 1 for weight in layer.weights)
        if not kernels or id(layer) in inside:
            continue
        below = named_layers(layer).values()
        if runs_in_scan(layer) or not any(inner.weights for inner in below):
            found[path] = layer
    return found


def _measured(x):
    """Return a vector of numbers about an input, or None if it may be empty."""
    if None in x.shape[1:] or 0 in x.shape[1:]:
        return None
    x = widened(ops.cast(x, "float32"))
    numbers = ops.mean(x), ops.std(x), ops.min(x), ops.max(x)
    numbers = *numbers, ops.mean(ops.std(x, axis=0))
    return ops.stack([ops.reshape(number, ()) for number in numbers])
