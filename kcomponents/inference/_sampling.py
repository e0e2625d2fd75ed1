"""Noise: the layers that draw random numbers, and calls that turn them on or off."""

import contextlib
import math
import threading
import weakref

import keras
import numpy as np
from keras import ops

from kcomponents import _backends, _keras, activations, layers
from kcomponents._backends.graphs import compiled
from kcomponents._checks import fail, positive_int
from kcomponents._keras.model_reuse import spatial_noise_shape
from kcomponents._keras.models import gate_of

DROPPING = (
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
)
ALWAYS = (
    layers.MCDropout,
    layers.MCSpatialDropout1D,
    layers.MCSpatialDropout2D,
    layers.MCSpatialDropout3D,
)
SPATIAL = (
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
RECURRENT = (
    keras.layers.SimpleRNN,
    keras.layers.LSTM,
    keras.layers.GRU,
    keras.layers.ConvLSTM1D,
    keras.layers.ConvLSTM2D,
    keras.layers.ConvLSTM3D,
    keras.layers.SimpleRNNCell,
    keras.layers.LSTMCell,
    keras.layers.GRUCell,
)
# Class → the method that draws a mask of shape `noise_shape`.
MASKED = {
    **dict.fromkeys((*ALWAYS, *SPATIAL), keras.layers.Dropout.call),
    keras.layers.Dropout: keras.layers.Dropout.call,
    keras.layers.AlphaDropout: keras.layers.AlphaDropout.call,
    layers.RReLU: layers.RReLU.call,
}
GAUSSIAN = (keras.layers.GaussianDropout, keras.layers.GaussianNoise)
_LOCK = threading.RLock()


def noisy_layers(model):
    """Return the layers of a model, at any depth, with dropout or noise."""
    return [layer for layer in _keras.layers_of(model) if _is_noisy(layer)]


def _is_noisy(layer):
    if isinstance(layer, DROPPING):
        return layer.rate > 0
    if isinstance(layer, keras.layers.GaussianNoise):
        return layer.stddev > 0
    if isinstance(layer, layers.RReLU):
        return layer.upper > layer.lower
    if isinstance(layer, RECURRENT):
        return layer.dropout > 0 or layer.recurrent_dropout > 0
    return isinstance(layer, keras.layers.Attention) and layer.dropout > 0


def drawing(layer, samples, same_mask):
    """Return a `call` of a layer with its noise on, for a batch of several samples.

    The batch contains all inputs for the first sample, then for the next one.

    Raises:
        ValueError: If `same_mask` is true and the layer does not support it.
    """
    first = (getattr(layer, "noise_shape", None) or [None])[0]
    if not same_mask and first is None:
        return _with_training(layer.call, True)
    if type(layer) in GAUSSIAN:
        return _with_one_noise(layer, layer.call, samples)
    if type(layer) in MASKED and first in (None, 1):
        return _with_one_mask(layer, samples)
    rule = (
        "Noise that inputs share must come from a dropout or noise layer with 1 or "
        "None for the batch in its `noise_shape`. Use another layer or "
        "`same_mask=False`."
    )
    fail(rule, layer=layer.name, kind=type(layer).__name__)


def quiet(layer):
    """Return a `call` of a layer with its noise off, even if it is always on."""
    if isinstance(layer, ALWAYS):
        return lambda inputs, training=None: inputs
    if isinstance(layer, layers.RReLU):
        low, high = layer.lower, layer.upper
        return lambda inputs, training=None: activations.rrelu(inputs, low, high)
    return _with_training(layer.call, False)


def repeated(x, times):
    """Return tensors repeated along the batch axis."""
    return keras.tree.map_structure(
        lambda part: ops.tile(part, (times, *[1] * (len(part.shape) - 1))), x
    )


def with_gate(calls, gate, times):
    """Return the calls, with a gate that first repeats its inputs for each sample."""
    known = {id(layer): call for layer, call in calls}
    call = known.get(id(gate), gate.call)

    def run(inputs, *args, **kwargs):
        return call(repeated(inputs, times), *args, **kwargs)

    others = [(layer, other) for layer, other in calls if layer is not gate]
    return [*others, (gate, run)]


def _with_training(call, training):
    def run(*args, **kwargs):
        return call(*args, **{**kwargs, "training": training})

    return run


def _with_one_noise(layer, call, samples):
    def run(inputs, training=None):
        sizes = ops.shape(inputs)[1:]
        grouped = ops.reshape(inputs, (samples, -1, *sizes))
        thin = (samples, 1, *sizes)
        if isinstance(layer, keras.layers.GaussianNoise):
            noisy = grouped + call(ops.zeros(thin, inputs.dtype), training=True)
        else:
            noisy = grouped * call(ops.ones(thin, inputs.dtype), training=True)
        return ops.reshape(noisy, ops.shape(inputs))

    return run


def _with_one_mask(layer, samples):
    def run(inputs, training=None):
        sizes = ops.shape(inputs)
        if isinstance(layer, SPATIAL):
            noise_shape = spatial_noise_shape(layer, inputs)
        else:
            noise_shape = layer.noise_shape or (None,) * len(sizes)
        # A copy with another `noise_shape`: other threads may use the layer itself, and
        # a new layer would create variables.
        twin = object.__new__(type(layer))
        vars(twin).update(vars(layer))
        vars(twin)["noise_shape"] = (samples, 1, *noise_shape[1:])
        grouped = ops.reshape(inputs, (samples, -1, *sizes[1:]))
        noisy = MASKED[type(layer)](twin, grouped, training=True)
        return ops.reshape(noisy, sizes)

    return run


@contextlib.contextmanager
def replaced(calls):
    """Replace the `call` of layers in this thread until the context ends.

    Args:
        calls: List of pairs of a layer and its new `call`.
    """
    with _LOCK:
        before = [(layer, vars(layer).get("call")) for layer, _ in calls]
        try:
            for layer, call in calls:
                # Not with `__setattr__`, which tracks it on some backends.
                vars(layer)["call"] = _in_this_thread(call, layer.call)
            yield
        finally:
            for layer, call in before:
                vars(layer).pop("call", None)
                if call is not None:
                    vars(layer)["call"] = call


def _in_this_thread(call, usual):
    here = threading.get_ident()

    def run(*args, **kwargs):
        ours = threading.get_ident() == here
        return (call if ours else usual)(*args, **kwargs)

    return run


# Inputs of a model, converted to arrays.

RULE = (
    "`x` must be an array of numbers, a list or dict of these, or an iterable of "
    "batches, with at least one input."
)


def read(x):
    """Return inputs as an array, or a list, tuple or dict of arrays of equal length.

    Raises:
        ValueError: If they are not numbers, empty, or of different lengths.
    """
    if not _is_arrays(x):
        batches = list(_batches(x))
        if not batches or not all(map(_is_arrays, batches)):
            fail(RULE, x=x)
        arrays = [keras.tree.map_structure(_array, batch) for batch in batches]
        return _checked(keras.tree.map_structure(_joined, *arrays), x)
    return _checked(keras.tree.map_structure(_array, x), x)


def length(x):
    """Return the number of inputs."""
    return len(keras.tree.flatten(x)[0])


def cut(x, start, rows):
    """Return a chunk of each array, padded with its last row."""
    return keras.tree.map_structure(
        lambda a: a[np.minimum(np.arange(start, start + rows), len(a) - 1)], x
    )


def _is_arrays(x):
    parts = keras.tree.flatten(x) if isinstance(x, (list, tuple, dict)) else [x]
    return bool(parts) and all(hasattr(part, "shape") for part in parts)


def _batches(x):
    if isinstance(x, keras.utils.PyDataset):
        x = (x[index] for index in range(x.num_batches))
    if isinstance(x, (str, dict)) or not hasattr(x, "__iter__"):
        fail(RULE, x=x)
    for batch in x:
        # Training data has targets too, which are ignored.
        yield batch[0] if isinstance(batch, tuple) else batch


def _array(x):
    array = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
    if array.dtype.kind in "OUSM":
        fail(RULE, x=x)
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def _joined(*arrays):
    return np.concatenate(arrays)


def _checked(arrays, x):
    lengths = {a.shape[0] if a.ndim else 0 for a in keras.tree.flatten(arrays)}
    if len(lengths) != 1 or lengths == {0}:
        fail(f"{RULE} All arrays must have equal length.", lengths=sorted(lengths))
    return arrays


# Run a model compiled for many samples in one batch, over chunks of the inputs.

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
            groups.append(_concatenated(split, 1, inputs))
    for state, value in zip(states, now, strict=True):
        state.assign(value)
    return _concatenated(groups, 0)


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


def _concatenated(parts, axis, limit=None):
    def join(*arrays):
        joined = np.concatenate(arrays, axis)
        return joined if limit is None else joined[:, :limit]

    return keras.tree.map_structure(join, *parts)
