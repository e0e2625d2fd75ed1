"""The name of the activation function that a layer applies."""

import keras

from kcomponents import _keras

# By registered name, because this module must not import the layers of the package.
BARE = {
    "Activation": None,
    "ELU": "elu",
    "LeakyReLU": "leaky_relu",
    "PReLU": "prelu",
    "ReLU": "relu",
    "Softmax": "softmax",
    "kcomponents>Maxout": "maxout",
    "kcomponents>PReLU": "prelu",
    "kcomponents>RReLU": "rrelu",
}
WHOLE = {
    "ConvLSTMCell": "lstm",
    "GRUCell": "gru",
    "LSTMCell": "lstm",
    "kcomponents>MaxoutConv1D": "maxout",
    "kcomponents>MaxoutConv2D": "maxout",
    "kcomponents>MaxoutConv3D": "maxout",
    "kcomponents>MaxoutDense": "maxout",
}
ALIASES = {"hard_swish": "hard_silu", "swish": "silu", "<lambda>": "custom"}


def activation_of(layer):
    """Return the name of the activation that a layer's output went through, or None.

    A layer that contains other layers has none; call this for each inner layer.
    """
    if runs_in_scan(layer):
        return _of_the_inner(layer)
    if isinstance(layer, keras.layers.ReLU) and layer.negative_slope:
        return "leaky_relu"
    known = _registered(layer, {**BARE, **WHOLE})
    if known:
        return known
    if not hasattr(layer, "activation") or _others(layer):
        return None
    return _name(layer.activation)


def is_bare(layer):
    """Return whether a layer only applies an activation to its inputs."""
    return bool(_names(layer) & set(BARE))


def runs_in_scan(layer):
    """Return whether a layer runs its inner layers in a loop over time steps."""
    kinds = "Bidirectional", "RNN", "StackedRNNCells", "TimeDistributed"
    return isinstance(layer, tuple(getattr(keras.layers, kind) for kind in kinds))


def _of_the_inner(layer):
    if isinstance(layer, keras.layers.TimeDistributed):
        return last_activation(layer.layer)
    if isinstance(layer, keras.layers.Bidirectional):
        return activation_of(layer.forward_layer)
    stacked = isinstance(layer, keras.layers.StackedRNNCells)
    cell = layer.cells[-1] if stacked else layer.cell
    if runs_in_scan(cell):
        return activation_of(cell)
    if isinstance(cell, keras.layers.SimpleRNNCell):
        return _name(cell.activation)
    # Other cells may use their activations in any way, so use the name of the cell.
    return _registered(cell, WHOLE) or type(cell).__name__.lower()


def last_activation(layer):
    """Return the activation of a layer, or of the last layer inside it."""
    while activation_of(layer) is None and _keras.sublayers(layer):
        layer = _keras.sublayers(layer)[-1]
    return activation_of(layer)


def _names(layer):
    return {keras.saving.get_registered_name(cls) for cls in type(layer).__mro__}


def _registered(layer, table):
    names = map(keras.saving.get_registered_name, type(layer).__mro__)
    return next((table[name] for name in names if table.get(name)), None)


def _others(layer):
    """Return the layers inside a layer, without its activation."""
    within = _keras.sublayers(layer)
    return [inner for inner in within if inner is not layer.activation]


def _name(activation):
    if activation is None:
        return "linear"
    if isinstance(activation, keras.layers.Layer):
        return last_activation(activation) or type(activation).__name__.lower()
    if not isinstance(activation, str) and not callable(activation):
        return None
    named = isinstance(activation, str)
    name = activation if named else getattr(activation, "__name__", "custom")
    return ALIASES.get(name.lower(), name.lower())
