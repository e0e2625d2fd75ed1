"""Sampling: run a model with the noise of its layers turned on or off."""

import contextlib
import math
import threading
import weakref

import keras
import numpy as np
from keras import ops

from kcomponents import _backends, _keras, activations, layers
from kcomponents._backends import compiled
from kcomponents._checks import boolean, fail, positive_int
from kcomponents._keras.model_reuse import spatial_noise_shape
from kcomponents._keras.models import gate_of

# Rows of a batch, unless `batch_size` is given.
ROWS = 1024
# The most compiled functions of one model.
MOST_FUNCTIONS = 8


def draw(model, x, samples, *, batch_size=None, same_mask=False):
    """Return sampled predictions of a model with its noise on.

    Returns:
        Arrays of shape `(samples, inputs, ...)` in the structure of the outputs.

    Raises:
        ValueError: If the model has no layer with noise, or an argument is invalid.
    """
    samples = positive_int("samples", samples)
    same_mask = boolean("same_mask", same_mask)
    noisy = noisy_layers(model)
    if not noisy:
        rule = "`model` must have a layer with dropout or noise, with a rate above 0."
        fail(rule, model=model.name)
    passes, together = _even_parts(samples, _rows(batch_size))
    calls = [(layer, noisy_call(layer, together, same_mask)) for layer in noisy]
    # Layers before the first noise give the same for all samples: computed once.
    gate = gate_of(model, noisy)
    if gate is not None:
        calls = _repeat_at(gate, calls, together)
    repeats = together if gate is None else 1
    sampler = _Sampler(model, calls, together, repeats, same_mask=same_mask)
    outputs = sampler.predict(x, passes, _rows(batch_size))
    return keras.tree.map_structure(lambda values: values[:samples], outputs)


def scaled(model, x, *, batch_size=None):
    """Return predictions of a model with its noise off, as `draw` for one sample."""
    calls = [(layer, quiet_call(layer)) for layer in noisy_layers(model)]
    sampler = _Sampler(model, calls, noise=False)
    return sampler.predict(x, 1, _rows(batch_size))


def _rows(batch_size):
    return ROWS if batch_size is None else positive_int("batch_size", batch_size)


def _even_parts(total, most):
    """Return the number and the size of parts; equal sizes need one function only."""
    parts = math.ceil(total / most)
    return parts, math.ceil(total / parts)


class _Sampler:
    """A model whose layers have other calls, for several samples in one batch.

    Args:
        model: Built model that accepts batches of any size.
        calls: List of pairs of a layer and its `call`.
        together: Int, number of samples of each input in a batch.
        repeats: Int, how often the inputs are repeated before they enter the model: 1
            if a layer repeats its own inputs.
        same_mask: Bool, whether all inputs get the same noise.
        noise: Bool, whether the calls draw noise.
    """

    def __init__(
        self, model, calls, together=1, repeats=1, *, same_mask=False, noise=True
    ):
        _check_model(model)
        self._calls, self._together, self._same_mask = calls, together, same_mask
        settings = repeats, together, same_mask, noise
        self._function, variables, self._states = _function_of(model, settings)
        self._weights = [variable.value for variable in variables]
        self._now = [ops.convert_to_tensor(state.value) for state in self._states]

    def predict(self, x, passes, batch_size):
        """Return the outputs, with the samples of all passes on the first axis."""
        x = read(x)
        most = max(1, batch_size // self._together)
        _, rows = _even_parts(length(x), most)
        groups = []
        with replaced(self._calls):
            for _ in range(passes):
                groups.append(_concatenated(self._chunks(x, rows), 1, length(x)))
        for state, value in zip(self._states, self._now, strict=True):
            state.assign(value)
        return _concatenated(groups, 0)

    def _chunks(self, x, rows):
        """Return the outputs of one pass, as a list with an item for each chunk.

        With `same_mask`, each chunk starts from the same random state.
        """
        before, random, chunks = self._now, _backends.random_state(), []
        for start in range(0, length(x), rows):
            if self._same_mask:
                self._now = before
                _backends.set_random_state(random)
            chunk = keras.tree.map_structure(ops.convert_to_tensor, cut(x, start, rows))
            outputs, self._now = self._function(self._weights, self._now, chunk)
            chunks.append(_by_sample(outputs, self._together, rows))
        return chunks


def _by_sample(outputs, together, rows):
    """Return outputs of a batch with a new first axis for the samples."""

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


def _check_model(model):
    if not model.built:
        fail("`model` must be built.", model=model.name)
    for tensor in keras.tree.flatten(getattr(model, "inputs", None) or []):
        if tensor.shape[0] is not None:
            rule = "`model` must accept batches of any size: samples share a batch."
            fail(rule, shape=tensor.shape)


# Model → key → function. The functions hold no reference to the model.
_FUNCTIONS = weakref.WeakKeyDictionary()


def _function_of(model, settings):
    """Return a compiled function of variables and inputs, and these variables."""
    functions = _FUNCTIONS.setdefault(model, {})
    configs = tuple(str(layer.get_config()) for layer in noisy_layers(model))
    ids = tuple(map(id, _keras.layers_of(model)))
    key = settings, configs, ids
    if key not in functions:
        if len(functions) >= MOST_FUNCTIONS:
            functions.clear()
        functions[key] = _compiled_function(weakref.ref(model), repeats=settings[0])
    return functions[key]


def _compiled_function(model, repeats):
    fixed = {id(v) for v in (*model().weights, *model().metrics_variables)}
    # Random states; nothing else changes.
    states = [v for v in model().variables if id(v) not in fixed]
    others = [v for v in model().variables if id(v) in fixed]
    if not _backends.carries_state:
        others = []

    def function(weights, now, x):
        pairs = [*zip(others, weights, strict=True), *zip(states, now, strict=True)]
        with keras.StatelessScope(pairs) as scope:
            outputs = model()(repeated(x, repeats), training=False)
        return outputs, [scope.get_current_value(state) for state in states]

    return compiled(function), others, states


# Noise: the layers that draw random numbers, and calls with their noise on or off.

DROPOUT = (
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
)
MONTE_CARLO = (
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
MASK_METHODS = {
    **dict.fromkeys((*MONTE_CARLO, *SPATIAL), keras.layers.Dropout.call),
    keras.layers.Dropout: keras.layers.Dropout.call,
    keras.layers.AlphaDropout: keras.layers.AlphaDropout.call,
    layers.RReLU: layers.RReLU.call,
}
GAUSSIAN = (keras.layers.GaussianDropout, keras.layers.GaussianNoise)


def noisy_layers(model):
    """Return the layers of a model, at any depth, with dropout or noise."""
    return [layer for layer in _keras.layers_of(model) if _is_noisy(layer)]


def _is_noisy(layer):
    if isinstance(layer, DROPOUT):
        return layer.rate > 0
    if isinstance(layer, keras.layers.GaussianNoise):
        return layer.stddev > 0
    if isinstance(layer, layers.RReLU):
        return layer.upper > layer.lower
    if isinstance(layer, RECURRENT):
        return layer.dropout > 0 or layer.recurrent_dropout > 0
    return isinstance(layer, keras.layers.Attention) and layer.dropout > 0


def noisy_call(layer, samples, same_mask):
    """Return a `call` of a layer with its noise on, for a batch of several samples.

    The batch contains all inputs for the first sample, then for the next one.

    Raises:
        ValueError: If `same_mask` is true and the layer does not support it.
    """
    first = (getattr(layer, "noise_shape", None) or [None])[0]
    if not same_mask and first is None:
        return _with_training(layer.call, True)
    if type(layer) in GAUSSIAN:
        return _with_shared_noise(layer, samples)
    if type(layer) in MASK_METHODS and first in (None, 1):
        return _with_shared_mask(layer, samples)
    rule = (
        "Noise that inputs share must come from a dropout or noise layer with 1 or "
        "None for the batch in its `noise_shape`. Use another layer or "
        "`same_mask=False`."
    )
    fail(rule, layer=layer.name, kind=type(layer).__name__)


def _with_training(call, training):
    def run(*args, **kwargs):
        return call(*args, **{**kwargs, "training": training})

    return run


def _with_shared_noise(layer, samples):
    call = layer.call

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


def _with_shared_mask(layer, samples):
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
        noisy = MASK_METHODS[type(layer)](twin, grouped, training=True)
        return ops.reshape(noisy, sizes)

    return run


def quiet_call(layer):
    """Return a `call` of a layer with its noise off, even if it is always on."""
    if isinstance(layer, MONTE_CARLO):
        return lambda inputs, training=None: inputs
    if isinstance(layer, layers.RReLU):
        low, high = layer.lower, layer.upper
        return lambda inputs, training=None: activations.rrelu(inputs, low, high)
    return _with_training(layer.call, False)


def _repeat_at(gate, calls, times):
    """Return the calls, with a gate that first repeats its inputs for each sample."""
    known = {id(layer): call for layer, call in calls}
    call = known.get(id(gate), gate.call)

    def run(inputs, *args, **kwargs):
        return call(repeated(inputs, times), *args, **kwargs)

    others = [(layer, other) for layer, other in calls if layer is not gate]
    return [*others, (gate, run)]


def repeated(x, times):
    """Return tensors repeated along the batch axis."""
    return keras.tree.map_structure(
        lambda part: ops.tile(part, (times, *[1] * (len(part.shape) - 1))), x
    )


_LOCK = threading.RLock()


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
