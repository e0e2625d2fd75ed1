"""Code that creates the layer of a finding again, for a remedy to change."""

from kcomponents._activation_traits import traits_of

RANKS = {"Conv1D": 3, "Conv2D": 4, "Conv3D": 5}
RECURRENT = "LSTM", "GRU", "SimpleRNN"


def same_layer(case, path):
    """Return the call that creates the layer, without the closing parenthesis."""
    layer, units = _layer(case, path), units_of(case, path)
    if layer.get("class") in RECURRENT:
        return f"keras.layers.{layer['class']}({units}"
    return _convolution(case, layer) or f"keras.layers.Dense({units}"


def is_recurrent(case, path):
    return _layer(case, path).get("class") in (*RECURRENT, "Bidirectional")


def units_of(case, path):
    """Return the number of units of a layer, 64 where it is not known."""
    found = _layer(case, path).get("units")
    # A record from another program may hold anything.
    return found if type(found) is int else 64


def hidden_activation(case, path):
    """Return the activation of the layer, or of the first other one, or `"relu"`."""
    layers = [_layer(case, path), *case.layers]
    found = [layer.get("activation") for layer in layers]
    weighted = [name for name in found if _has_formula(name)]
    return weighted[0] if weighted else "relu"


def _has_formula(activation):
    """Return whether a layer with this activation can be created by its name."""
    traits = traits_of(activation)
    hidden = activation != "linear" and traits.reads == "unit"
    known = traits.he_slope is not None or traits.glorot_slope is not None
    named = activation not in ("prelu", "rrelu")
    return hidden and named and (known or activation == "selu")


def _layer(case, path):
    """Return the facts of the layer at a path, or of the layer that owns a kernel."""
    above = [la for la in case.layers if f"{path}/".startswith(f"{la['path']}/")]
    return max(above, key=lambda la: len(la["path"]), default={})


def _convolution(case, layer):
    kind, filters = layer.get("class"), layer.get("filters")
    shape = case.kernels.get(f"{layer.get('path')}/kernel", [])
    if len(shape) != RANKS.get(kind) or type(filters) is not int:
        return None
    sizes = shape[:-2]
    size = sizes[0] if len(set(sizes)) == 1 else tuple(sizes)
    return f"keras.layers.{kind}({filters}, {size}"
