"""Graph: the layers of a model and their connections."""

import keras

from kcomponents._check import fail
from kcomponents._keras import calls_of
from kcomponents._keras._cloning import is_plain


class Graph:
    """Layers of a `Sequential` or functional model, in no particular order.

    Args:
        model: Keras model. A `Sequential` model need not be built.
    """

    def __init__(self, model):
        if not is_plain(model):
            fail(
                "The model must be `Sequential` or functional. For a subclassed model,"
                " use `tuning.activation` in `build`.",
                model=type(model).__name__,
            )
        self.layers, self._before, self.last = [], {}, []
        self._ndim = {}
        if model.built:
            made = [(maker, made) for maker, _, made in calls_of(model)]
            self._ndim = {id(maker): len(tensors[0].shape) for maker, tensors in made}
        if isinstance(model, keras.Sequential):
            self._read_sequential(model)
        else:
            self._read_functional(model)

    def _read_sequential(self, model):
        self.layers = list(model.layers)
        for layer, before in zip(self.layers[1:], self.layers, strict=False):
            self._before[id(layer)] = [before]
        self.last = self.layers[-1:]

    def _read_functional(self, model):
        calls = calls_of(model)
        makers = {id(t): maker for maker, _, made in calls for t in made}
        self.layers = list({id(maker): maker for maker, _, _ in calls}.values())
        for maker, read, _ in calls:
            before = self._before.setdefault(id(maker), [])
            before += [makers[id(tensor)] for tensor in read if id(tensor) in makers]
        self.last = [makers[id(t)] for t in model.outputs if id(t) in makers]

    def ndim(self, layer):
        """Return the number of axes of a layer's output."""
        return self._ndim.get(id(layer), getattr(layer, "rank", 0) + 2)

    def before(self, layer):
        """Return the layers whose outputs a layer reads."""
        return self._before.get(id(layer), [])

    def readers(self, layer):
        """Return the layers that read a layer's output."""
        return [other for other in self.layers if layer in self.before(other)]

    def weighted_before(self, layer, found=None):
        """Return the nearest layers with kernels before a layer."""
        found = [] if found is None else found
        for before in self.before(layer):
            if passes(before):
                self.weighted_before(before, found)
            elif before not in found:
                found.append(before)
        return found


def passes(layer):
    """Return whether a layer has no kernel, and keeps its channels apart."""
    if isinstance(layer, PASSING) or not isinstance(layer, keras.layers.Layer):
        return True
    # A layer that is not built yet may have weights later.
    has_none = layer.built or type(layer).build is keras.layers.Layer.build
    return has_none and not layer.weights


# Layers with weights, but without a kernel.
PASSING = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
    keras.layers.PReLU,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)
