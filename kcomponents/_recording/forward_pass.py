"""A forward pass of a model that also measures what its layers get and give."""

import math

import keras
import numpy as np
from keras import ops

from kcomponents import _backends, _keras
from kcomponents._keras.method_covers import MethodCovers
from kcomponents.probes.layer_walk import named_layers, runs_in_scan

# Of so many elements of an input a layer is measured, and of so many samples at least.
ELEMENTS, SAMPLES = 2**16, 16


class ForwardPass:
    """Runs a model in inference mode, and measures its layers with weights.

    Args:
        model: Keras model, built.
        often: Boolean, whether many runs will follow. Defaults to `False`.

    Attributes:
        layers: Dict of path to facts about each layer with weights, in the order in
            which they are called: the scale of its first input in the first run.
        added_losses: Integer, how often a layer added a loss of its own in that run.
    """

    def __init__(self, model, often=False):
        self.model, self.layers, self.added_losses = model, {}, 0
        self._run = _backends.inference(model, self._call, often)
        self._paths, self._is_measured, self._wait = [], False, None

    def run(self, x):
        """Return predictions and their masks, or None, as nested arrays."""
        _backends.synchronize(self.model)
        with _backends.keep_random_state():
            return self._taken(*self._run(x))

    def begin(self, x):
        """Run beside what follows, where models are compiled; then call `finish`.

        Returns:
            Predictions of which only the shapes are known, the numbers are NaN.
        """
        _backends.synchronize(self.model)
        (outputs, *_), self._wait = self._run.begin(x)
        return keras.tree.map_structure(lambda y: np.full(y.shape, np.nan), outputs)

    def finish(self):
        """Return what `run` would have returned instead of `begin`."""
        wait, self._wait = self._wait, None
        return self._taken(*wait())

    def _taken(self, outputs, masks, inputs):
        if not self._is_measured:
            for path, values in zip(self._paths, inputs, strict=True):
                self.layers[path] |= _scale(ops.convert_to_numpy(values))
            self._is_measured = True
        masks = [None if m is None else ops.convert_to_numpy(m) for m in masks]
        return keras.tree.map_structure(ops.convert_to_numpy, outputs), masks

    def _call(self, x):
        seen = {}
        if self._is_measured:
            outputs = self.model(x, training=False)
        else:
            outputs = self._watched_call(x, seen)
        self._paths = list(seen)
        masks = [_keras.mask_of(leaf) for leaf in keras.tree.flatten(outputs)]
        return outputs, masks, list(seen.values())

    def _watched_call(self, x, seen):
        covers, level = MethodCovers(), _backends.trace_level()
        self.added_losses = 0
        try:
            for path, layer in layers_with_weights(self.model).items():
                covers.cover(layer, "call", self._cover(path, layer, seen, level))
            for layer in named_layers(self.model).values():
                covers.cover(layer, "add_loss", self._count)
            return self.model(x, training=False)
        finally:
            covers.remove()

    def _cover(self, path, layer, seen, level):
        def make(original):
            def call(*args, **kwargs):
                wanted = path not in seen and args and _backends.trace_level() == level
                if wanted:
                    [first, *_] = keras.tree.flatten(args[0])
                    self._describe(path, layer, first)
                    if None not in first.shape[1:] and 0 not in first.shape[1:]:
                        seen[path] = self._part(path, first)
                return original(*args, **kwargs)

            return call

        return make

    def _describe(self, path, layer, x):
        self.layers[path] = {
            "class": type(layer).__name__,
            "input_dim": getattr(layer, "input_dim", None),
            "shape": list(x.shape[1:]),
        }
        traced = _backends.carries_state or _backends.current_graph() is not None
        if self.layers[path]["input_dim"] and not traced:
            # Before the call, which fails if an id is out of range.
            extremes = {"min": ops.min(x), "max": ops.max(x)}
            self.layers[path] |= {
                name: float(ops.convert_to_numpy(number))
                for name, number in extremes.items()
            }

    def _part(self, path, x):
        """Return some samples of an input, of ids all, whose range is known then."""
        if not self.layers[path]["input_dim"]:
            x = x[: max(SAMPLES, ELEMENTS // max(math.prod(x.shape[1:]), 1))]
        return ops.cast(x, "float32")

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


def _scale(x):
    """Return the scale of an input; the spread is that over samples."""
    # In numpy, as compiling this would take longer than compiling the model.
    x = np.asarray(x, "float64")
    found = {
        "mean": x.mean(),
        "std": x.std(),
        "min": x.min(),
        "max": x.max(),
        "spread": x.std(axis=0).mean(),
    }
    return {name: float(value) for name, value in found.items()}
