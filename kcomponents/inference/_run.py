"""Run a model compiled for many samples in one batch, over chunks of the inputs."""

import math
import weakref

import keras
import numpy as np
from keras import ops

from kcomponents import _backends, _keras
from kcomponents._backends._compiled import compiled
from kcomponents._check import fail, positive_int
from kcomponents._keras._gates import gate_of
from kcomponents.inference._inputs import cut, length, read
from kcomponents.inference._noise import (
    drawing,
    noisy_layers,
    quiet,
    repeated,
    replaced,
    with_gate,
)

ROWS = 1024
KEPT = 8
# Model → key → function. The functions hold no reference to the model.
_FUNCTIONS = weakref.WeakKeyDictionary()


def draw(model, x, samples, *, batch_size=None, same_mask=False):
    """Return sampled predictions of a model with its noise on.

    Returns:
        Arrays of shape `(samples, inputs, ...)` in the structure of the outputs.

    Raises:
        ValueError: If the model has no layer with noise, or an argument is invalid.
    """
    samples = positive_int("samples", samples)
    noisy = noisy_layers(model)
    if not noisy:
        rule = "`model` must have a layer with dropout or noise, with a rate above 0."
        fail(rule, model=model.name)
    together = min(samples, _rows(batch_size))
    together = math.ceil(samples / math.ceil(samples / together))
    # Layers before the first noise give the same for all samples: computed once.
    gate = gate_of(model, noisy)
    calls = [(layer, drawing(layer, together, same_mask)) for layer in noisy]
    if gate is not None:
        calls = with_gate(calls, gate, together)
    found = _run(model, x, samples, together, batch_size, calls, same_mask, gate)
    return keras.tree.map_structure(lambda values: values[:samples], found)


def scaled(model, x, *, batch_size=None):
    """Return predictions of a model with its noise off, as `draw` for one sample."""
    calls = [(layer, quiet(layer)) for layer in noisy_layers(model)]
    return _run(model, x, 1, 1, batch_size, calls, "off", None)


def _rows(batch_size):
    return ROWS if batch_size is None else positive_int("batch_size", batch_size)


def _run(model, x, samples, together, batch_size, calls, mode, gate):
    _check(model)
    x = read(x)
    inputs, most = length(x), max(1, _rows(batch_size) // together)
    # Chunks of equal size, so that only one function is compiled.
    rows = math.ceil(inputs / math.ceil(inputs / most))
    times = 1 if gate is not None else together
    function, others, states = _function(model, (times, together, mode))
    weights = [variable.value for variable in others]
    now = [ops.convert_to_tensor(state.value) for state in states]
    groups = []
    with replaced(calls):
        for _ in range(math.ceil(samples / together)):
            found, now = _pass(function, weights, now, x, rows, mode is True)
            split = [_split(outputs, together, rows) for outputs in found]
            groups.append(_joined(split, 1, inputs))
    for state, value in zip(states, now, strict=True):
        state.assign(value)
    return _joined(groups, 0)


def _pass(function, weights, now, x, rows, again):
    """Return the outputs of all chunks, and the random states after them.

    With `again`, each chunk starts from the same random state and gets the same masks.
    """
    before, random, chunks = now, _backends.random_state(), []
    for start in range(0, length(x), rows):
        if again:
            now = before
            _backends.set_random_state(random)
        chunk = keras.tree.map_structure(ops.convert_to_tensor, cut(x, start, rows))
        outputs, now = function(weights, now, chunk)
        chunks.append(keras.tree.map_structure(ops.convert_to_numpy, outputs))
    return chunks, now


def _check(model):
    if not model.built:
        fail("`model` must be built.", model=model.name)
    for tensor in keras.tree.flatten(getattr(model, "inputs", None) or []):
        if tensor.shape[0] is not None:
            rule = "`model` must accept batches of any size: samples share a batch."
            fail(rule, shape=tensor.shape)


def _function(model, settings):
    """Return a compiled function of variables and inputs, and these variables."""
    kept = _FUNCTIONS.setdefault(model, {})
    configs = tuple(str(layer.get_config()) for layer in noisy_layers(model))
    ids = tuple(map(id, _keras.layers_of(model)))
    key = settings, configs, ids
    if key not in kept:
        if len(kept) >= KEPT:
            kept.clear()
        kept[key] = _built(weakref.ref(model), times=settings[0])
    return kept[key]


def _built(model, times):
    fixed = {id(v) for v in (*model().weights, *model().metrics_variables)}
    # Random states; nothing else changes.
    states = [v for v in model().variables if id(v) not in fixed]
    moving = {id(v) for v in states}
    everything = model().variables if _backends.carries_state else []
    others = [v for v in everything if id(v) not in moving]

    def function(weights, now, x):
        pairs = [*zip(others, weights, strict=True), *zip(states, now, strict=True)]
        with keras.StatelessScope(pairs) as scope:
            outputs = model()(repeated(x, times), training=False)
        return outputs, [scope.get_current_value(state) for state in states]

    return compiled(function), others, states


def _split(outputs, together, rows):
    """Return outputs with a new first axis for the samples."""

    def split(values):
        array = ops.convert_to_numpy(values)
        if array.shape[:1] != (together * rows,):
            rule = "Each output of `model` must have a row for each input."
            fail(rule, inputs=together * rows, shape=array.shape)
        if array.dtype.itemsize < 4:
            array = array.astype("float32")
        return array.reshape(together, rows, *array.shape[1:])

    return keras.tree.map_structure(split, outputs)


def _joined(parts, axis, limit=None):
    def join(*arrays):
        joined = np.concatenate(arrays, axis)
        return joined if limit is None else joined[:, :limit]

    return keras.tree.map_structure(join, *parts)
