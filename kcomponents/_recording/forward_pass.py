"""A forward pass of a model that also measures what its layers get and give."""

import functools
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
        is_measured: Whether the first run is done.
        layers: Dict of path to facts about each layer with weights, in the order in
            which they are called: the scale of its first input in the first run, and
            `"after"`, the paths of the layers through which this input came, from the
            last one with weights on. It is empty if something else made the input.
        added_losses: Integer, how often a layer added a loss of its own in that run.
    """

    def __init__(self, model, often=False):
        self.model, self.layers, self.added_losses = model, {}, 0
        self._run = _backends.inference(model, self._call, often)
        self._paths, self._wait = [], None
        # Of how many samples the first run is.
        self.is_measured, self._samples = False, None

    def run(self, x):
        """Return predictions and their masks, or None, as nested arrays."""
        _backends.synchronize(self.model)
        with _backends.keep_random_state():
            count = _samples_of(x)
            if self._samples is None:
                self._samples = count
            elif _backends.carries_state and count and count > self._samples > 0:
                if (found := self._run_in_parts(x, count)) is not None:
                    return found
            return self._taken(*self._run(x))

    def _run_in_parts(self, x, count):
        """Run as many samples at a time as in the first run, which is compiled.

        Returns:
            What `run` returns, or None if the outputs are not one for each sample.
        """
        found = []
        for start in range(0, count, self._samples):
            # The last part is filled up from the beginning.
            rows = np.arange(start, start + self._samples) % count
            part = keras.tree.map_structure(
                lambda leaf, rows=rows: np.asarray(leaf)[rows], x
            )
            found.append(self._taken(*self._run(part)))
            leaves = [y for y in keras.tree.flatten(found[-1]) if y is not None]
            if {np.shape(y)[:1] for y in leaves} != {rows.shape}:
                return None

        def joined(*leaves):
            return None if leaves[0] is None else np.concatenate(leaves)[:count]

        return keras.tree.map_structure(joined, *found)

    def begin(self, x):
        """Run beside what follows, where models are compiled; then call `finish`.

        Returns:
            Predictions of which only the shapes are known, the numbers are NaN.
        """
        _backends.synchronize(self.model)
        self._samples = _samples_of(x)
        (outputs, *_), self._wait = self._run.begin(x)
        return keras.tree.map_structure(lambda y: np.full(y.shape, np.nan), outputs)

    def finish(self):
        """Return what `run` would have returned instead of `begin`."""
        wait, self._wait = self._wait, None
        return self._taken(*wait())

    def _taken(self, outputs, masks, inputs):
        if not self.is_measured:
            for path, values in zip(self._paths, inputs, strict=True):
                self.layers[path] |= _scale(ops.convert_to_numpy(values))
            self.is_measured = True
        masks = [None if m is None else ops.convert_to_numpy(m) for m in masks]
        return keras.tree.map_structure(ops.convert_to_numpy, outputs), masks

    def _call(self, x):
        seen = {}
        if self.is_measured:
            outputs = self.model(x, training=False)
        else:
            outputs = self._watched_call(x, seen)
        self._paths = list(seen)
        masks = [_keras.mask_of(leaf) for leaf in keras.tree.flatten(outputs)]
        return outputs, masks, list(seen.values())

    def _watched_call(self, x, seen):
        covers, level = MethodCovers(), _backends.trace_level()
        weighted, origins = layers_with_weights(self.model), _Origins()
        self.added_losses = 0

        def watched(path, layer, original):
            def call(*args, **kwargs):
                if not args or _backends.trace_level() != level:
                    return original(*args, **kwargs)
                inputs = keras.tree.flatten(args[0])
                if path in weighted and path not in seen:
                    self._describe(path, layer, inputs[0])
                    self.layers[path]["after"] = origins.chain(inputs[0], weighted)
                    if None not in inputs[0].shape[1:] and 0 not in inputs[0].shape[1:]:
                        seen[path] = self._part(path, inputs[0])
                outputs = original(*args, **kwargs)
                origins.add(path, inputs, outputs)
                return outputs

            return call

        try:
            for path, layer in _outside_of_loops(self.model).items():
                make = functools.partial(watched, path, layer)
                covers.cover(layer, "call", make)
            for layer in named_layers(self.model).values():
                covers.cover(layer, "add_loss", self._count)
            return self.model(x, training=False)
        finally:
            covers.remove()

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


class _Origins:
    """Remembers which layer made a tensor from which inputs."""

    def __init__(self):
        # The tensors too, as the id of one that is gone may come again.
        self._made = {}

    def add(self, path, inputs, outputs):
        """Remember the outputs of a layer, unless a layer inside it made them."""
        for tensor in keras.tree.flatten(outputs):
            self._made.setdefault(id(tensor), (path, inputs, tensor))

    def chain(self, tensor, ends):
        """Return the paths of the layers that made a tensor, the last one last.

        Args:
            tensor: Tensor.
            ends: Container of the paths at which to stop.
        """
        found = []
        while made := self._made.get(id(tensor)):
            path, inputs, _ = made
            if path in found:
                # A layer that gave back its input.
                break
            found.insert(0, path)
            if path in ends or len(inputs) != 1:
                break
            [tensor] = inputs
        return found


def _samples_of(x):
    """Return the number of samples of nested arrays, or None if it differs."""
    counts = {len(leaf) if np.ndim(leaf) else None for leaf in keras.tree.flatten(x)}
    return counts.pop() if len(counts) == 1 else None


def layers_with_weights(model):
    """Return path → layer for the layers that multiply by weights of their own.

    A recurrent layer counts as one, and not its cell.
    """
    found = {}
    for path, layer in _outside_of_loops(model).items():
        if not any(len(weight.shape) > 1 for weight in layer.weights):
            continue
        below = named_layers(layer).values()
        if runs_in_scan(layer) or not any(inner.weights for inner in below):
            found[path] = layer
    return found


def _outside_of_loops(model):
    """Return path → layer, without the layers that another one runs in a loop."""
    layers = named_layers(model)
    loops = [layer for layer in layers.values() if runs_in_scan(layer)]
    inside = {id(below) for la in loops for below in named_layers(la).values()}
    return {path: la for path, la in layers.items() if id(la) not in inside}


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
