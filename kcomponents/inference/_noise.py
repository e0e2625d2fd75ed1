"""Noise: the layers that draw random numbers, and calls that turn them on or off."""

import contextlib
import threading

import keras
from keras import ops

from kcomponents import _keras, activations, layers
from kcomponents._check import fail
from kcomponents._keras._reuse import spatial_noise_shape

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
