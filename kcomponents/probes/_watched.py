"""The layers of a model that can be watched: paths, activations, unit axes."""

import collections
import difflib
import itertools
import re
from typing import NamedTuple

import keras

from kcomponents import _keras
from kcomponents._check import fail
from kcomponents.probes._activation import activation_of, is_bare, runs_in_scan


class Watched(NamedTuple):
    """A layer that applies an activation, and the axis of its units."""

    path: str
    layer: keras.layers.Layer
    activation: str
    axis: int


def watched_layers(model):
    """List the layers inside `model` that apply an activation, depth first.

    Shared layers are listed once. Layers inside a listed layer are not listed: its
    activation, the pieces of a maxout, and the layers that an RNN runs.
    """
    below = list(named_layers(model).items())
    hidden, found = set(), []
    for _, layer in below:
        if runs_in_scan(layer) or activation_of(layer):
            hidden.update(id(inner) for inner in named_layers(layer).values())
    for path, layer in below:
        activation = activation_of(layer)
        if activation and id(layer) not in hidden:
            before = found[-1].axis if found else -1
            found.append(Watched(path, layer, activation, _axis(layer, before)))
    return found


def named_layers(model):
    """Return `{path: layer}` for all layers inside `model`, depth first, each once.

    The path is `layer.path`. If Keras has not set it, as in layers without weights, or
    two layers have the same, the path is the names of the parents and the layer.
    """
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
    for layer in _keras.sublayers(parent):
        if id(layer) not in seen:
            seen.add(id(layer))
            own = layer.path or f"{path}/{layer.name}".lstrip("/")
            joined = f"{names}/{layer.name}".lstrip("/")
            yield own, joined, layer
            yield from _below(layer, own, joined, seen)


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
    axis = getattr(layer, "axis", before)
    return axis if is_bare(layer) and isinstance(axis, int) else -1


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
