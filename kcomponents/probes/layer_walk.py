"""The layers of a model: their paths, activations and unit axes.

Callbacks and other extensions may use these functions: `named_layers` for all layers,
`watched_layers` for those with an activation, `activation_of` and `last_activation` for
the activation of a layer, and `patterns` and `select` for paths that a user gives.

An operation, such as `keras.ops.relu(x)` in a functional model, counts as a layer that
applies an activation, if it is one.
"""

import collections
import difflib
import itertools
import re
from typing import NamedTuple

import keras
import numpy as np

from kcomponents import _activation_traits, _keras
from kcomponents._checks import fail

# Registered name → activation, because this module must not import the layers of the
# package. These layers only apply an activation to their inputs, `None` for their own.
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
# These layers apply an activation among other things.
WHOLE = {
    "ConvLSTMCell": "lstm",
    "GRUCell": "gru",
    "LSTMCell": "lstm",
    "kcomponents>MaxoutConv1D": "maxout",
    "kcomponents>MaxoutConv2D": "maxout",
    "kcomponents>MaxoutConv3D": "maxout",
    "kcomponents>MaxoutDense": "maxout",
}
# Class of an operation of Keras → name of the activation, for those that need no look
# at their arguments.
OPERATIONS = {name.replace("_", ""): name for name in _activation_traits.TRAITS}
# Name of a function → name of the activation.
ALIASES = {**_activation_traits.ALIASES, "<lambda>": "custom"}


class WatchedLayer(NamedTuple):
    """A layer or operation that applies an activation, and the axis of its units."""

    path: str
    layer: keras.Operation
    activation: str
    axis: int


def watched_layers(model):
    """List the layers and operations in `model` that apply an activation, depth first.

    Shared layers are listed once. Layers inside a listed layer are not listed: its
    activation, the pieces of a maxout, and the layers that an RNN runs.
    """
    below = list(named_operations(model).items())
    hidden, found = set(), []
    for _, layer in below:
        if runs_in_scan(layer) or activation_of(layer):
            hidden.update(id(inner) for inner in named_operations(layer).values())
    for path, layer in below:
        activation = activation_of(layer)
        if activation and id(layer) not in hidden:
            before = found[-1].axis if found else -1
            found.append(WatchedLayer(path, layer, activation, _axis(layer, before)))
    return found


def named_layers(model):
    """Return `{path: layer}` for all layers inside `model`, depth first, each once.

    The path is `layer.path`. If Keras has not set it, as in layers without weights, or
    two layers have the same, the path is the names of the parents and the layer.
    """
    found = named_operations(model).items()
    return {path: layer for path, layer in found if _is_layer(layer)}


def named_operations(model):
    """Return the same with the operations of functional models, in the graph's order.

    The path of an operation is the names of the parents and the operation.
    """
    if not _is_layer(model):
        return {}
    # Keras leaves out the name of the outermost model if it is functional.
    top = "" if hasattr(model, "operations") else model.path or model.name
    below = list(_below(model, top, top, {id(model)}))
    counts = collections.Counter(path for path, _, _ in below)
    found = {}
    for path, names, layer in below:
        name = path if counts[path] == 1 else names
        numbered = (f"{name}_{n}" for n in itertools.count(1))
        names_to_try = itertools.chain([name], numbered)
        found[next(n for n in names_to_try if n not in found)] = layer
    return found


def _below(parent, path, names, seen):
    """Yield path, joined names and layer for all layers that are not in `seen`."""
    for layer in _parts(parent):
        if id(layer) not in seen:
            seen.add(id(layer))
            known = getattr(layer, "path", None)
            own = known or f"{path}/{layer.name}".lstrip("/")
            joined = f"{names}/{layer.name}".lstrip("/")
            yield own, joined, layer
            if _is_layer(layer):
                yield from _below(layer, own, joined, seen)


def _parts(parent):
    """Return the layers directly below a layer, and the operations of its graph."""
    within, graph = _keras.sublayers(parent), _keras.operations_of(parent)
    if all(map(_is_layer, graph)):
        return within
    placed = {id(part) for part in graph}
    return graph + [layer for layer in within if id(layer) not in placed]


def _is_layer(thing):
    return isinstance(thing, keras.Layer)


def _axis(layer, before):
    """Return the axis of a layer's units; `before` is the axis of the layer before."""
    if isinstance(layer, keras.layers.TimeDistributed):
        inner = watched_layers(layer)
        axis = inner[-1].axis if inner else -1
        return axis + 1 if axis > 0 else axis
    if isinstance(layer, keras.layers.Bidirectional):
        return _axis(layer.forward_layer, before)
    if isinstance(layer, keras.layers.RNN):
        axis = _axis(layer.cell, -1)
        return axis + 1 if axis > 0 and layer.return_sequences else axis
    if data_format := getattr(layer, "data_format", None):
        return 1 if data_format == "channels_first" else -1
    axis = getattr(layer, "axis", before) if _is_layer(layer) else before
    return axis if is_bare(layer) and isinstance(axis, int) else -1


def activation_of(layer):
    """Return the name of the activation that a layer's output went through, or None.

    A layer that contains other layers has none; call this for each inner layer.
    """
    if not _is_layer(layer):
        return _of_operation(layer)
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


def _of_operation(operation):
    """Return the activation that an operation of Keras is, or None."""
    if type(operation).__module__.partition(".")[0] != "keras":
        return None
    kind = type(operation).__name__.lower()
    if kind == "maximum":
        others = _keras.other_arguments(operation)
        return "relu" if len(others) == 1 and _is_zero(others[0]) else None
    if kind == "clip":
        return "relu" if _is_zero(operation.x_min) else None
    name = OPERATIONS.get(kind)
    sloped = name == "relu" and getattr(operation, "negative_slope", 0)
    return "leaky_relu" if sloped else name


def _is_zero(value):
    return isinstance(value, int | float | np.ndarray | np.generic) and not np.any(
        value
    )


def activations_in_loops(model):
    """List `(path, activation)` of what runs in a loop and cannot be watched.

    A recurrent layer applies activations in each time step, and what is watched is its
    output. A `TimeDistributed` shows the output of its last layer only.
    """
    layers = named_layers(model)
    loops = {path: la for path, la in layers.items() if runs_in_scan(la)}
    inside = {id(b) for la in loops.values() for b in named_layers(la).values()}
    found = []
    for path, layer in loops.items():
        if id(layer) in inside:
            continue
        shown = activation_of(layer)
        if isinstance(layer, keras.layers.TimeDistributed):
            names = [watched.activation for watched in watched_layers(layer)]
            # The last one is seen at the output of the wrapper.
            names = names[:-1] if shown else names
        else:
            cells = named_layers(layer).values()
            names = [_name(c.activation) for c in cells if hasattr(c, "activation")]
            names = [name for name in names if name != shown]
        found += [(path, name) for name in dict.fromkeys(names)]
    return found


def is_bare(layer):
    """Return whether a layer only applies an activation to its inputs."""
    return not _is_layer(layer) or bool(_names(layer) & set(BARE))


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


def select(paths, include, name="layers"):
    """Return the paths that match any of the regular expressions `include`."""
    paths = list(paths)
    if include is None:
        return paths
    given = patterns(include, name)
    chosen = {path for pattern in given for path in _found(paths, pattern, name)}
    return [path for path in paths if path in chosen]


def patterns(include, name="layers"):
    """Return `include` as a list; raise unless it is one or more valid patterns."""
    given = [include] if isinstance(include, str) else include
    listed = isinstance(given, (list, tuple)) and len(given) > 0
    if not listed or not all(isinstance(pattern, str) for pattern in given):
        rule = f"`{name}` must be a regular expression, or a list with at least one."
        fail(rule, **{name: include})
    for pattern in given:
        try:
            re.compile(pattern)
        except re.error as error:
            rule = f"`{name}` must be a valid regular expression: {error}."
            fail(rule, **{name: pattern})
    return list(given)


def _found(paths, pattern, name):
    found = [path for path in paths if re.search(pattern, path)]
    if not found:
        near = difflib.get_close_matches(pattern, paths, cutoff=0.4) or paths[:10]
        hint = f"Did you mean one of {', '.join(map(repr, near))}?" if near else ""
        fail(f"`{name}` matches no path. {hint}".strip(), **{name: pattern})
    return found
