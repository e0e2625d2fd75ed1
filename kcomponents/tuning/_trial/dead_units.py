"""Dead units: ReLU units that are 0 for every sample of a batch."""

import keras
import numpy as np

from kcomponents import _backends

RECTIFIERS = ("relu", "relu6")


def dead_units_of(model):
    """Return a function that maps a batch to each ReLU layer's share of dead units.

    It returns an empty dict for models that are not a graph of layers.
    """
    layers = [layer for layer in _hidden(model) if _rectifies(layer)]
    if not layers:
        return lambda sample: {}
    inner = keras.Model(model.inputs, [layer.output for layer in layers])
    run = _backends.inference(inner)

    def dead(sample):
        found = keras.tree.flatten(run(keras.tree.flatten(sample.few().x)))
        outputs = [keras.ops.convert_to_numpy(out) for out in found]
        return {
            layer.path: float(np.mean(_highest(out) <= 0))
            for layer, out in zip(layers, outputs, strict=True)
        }

    return dead


def _hidden(model):
    if not isinstance(model, keras.Sequential | keras.Model) or not model.built:
        return []
    try:
        outputs = keras.tree.flatten(model.outputs)
    except AttributeError:
        return []
    return [la for la in model.layers if not any(la.output is out for out in outputs)]


def _rectifies(layer):
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "")
    return isinstance(layer, keras.layers.ReLU) or name in RECTIFIERS


def _highest(outputs):
    return outputs.reshape(-1, outputs.shape[-1]).max(axis=0)
