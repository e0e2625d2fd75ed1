"""Check that a layer behaves as Keras expects."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kcomponents.testing.backends import compile_modes, precisions
from kcomponents.testing.common import (
    check,
    check_trained,
    round_trip,
    same,
    sample,
    saved_and_loaded,
)


def check_layer(
    layer_class: Callable[..., keras.Layer],
    arguments: dict[str, Any] | None = None,
    *,
    input_shape: tuple[int, ...],
    stochastic: bool = False,
) -> None:
    """Check that a layer behaves as every Keras layer should.

    Checks the round trips through the config and a `.keras` file, `clone_model`, shapes
    (eager, symbolic, unknown batch size), masks, mixed precision, a layer that is
    called twice, and `fit` with and without compilation.

    Args:
        layer_class: Class of the layer, registered as Keras serializable.
        arguments: Dict of constructor arguments. Defaults to `None`, for none.
        input_shape: Tuple of ints, including the batch axis.
        stochastic: Bool, whether outputs are random outside training too. Defaults to
            `False`.

    Raises:
        AssertionError: If a check fails; the message says which one.

    Example:
        >>> import keras
        >>> from kcomponents.testing import check_layer
        >>> check_layer(keras.layers.ReLU, {"negative_slope": 0.1}, input_shape=(2, 3))
    """

    def make(**more):
        return layer_class(**(arguments or {}), **more)

    round_trip(make())
    _check_shapes(make(), input_shape)
    for policy in precisions():
        _check_precision(make(dtype=policy), input_shape)
    _check_mask(make(), input_shape)
    _check_copies(make(), input_shape, stochastic)
    for jit_compile in compile_modes():
        _check_fit(make(), input_shape, jit_compile)


def _check_shapes(layer, input_shape):
    eager = tuple(layer(sample(input_shape)).shape)
    inferred = tuple(layer.compute_output_shape(input_shape))
    check(eager == inferred, f"output is {eager}, compute_output_shape: {inferred}")
    symbolic = tuple(layer(keras.Input(input_shape[1:])).shape)
    expected = (None, *eager[1:])
    check(symbolic == expected, f"symbolic output is {symbolic}, not {expected}")


def _check_precision(layer, input_shape):
    outputs = layer(sample(input_shape))
    dtype = keras.backend.standardize_dtype(outputs.dtype)
    check(dtype == layer.compute_dtype, f"output is {dtype}, not in compute dtype")
    check(bool(ops.all(ops.isfinite(outputs))), f"output is not finite in {dtype}")
    for weight in layer.weights:
        kept = weight.dtype == layer.variable_dtype or "int" in weight.dtype
        check(kept, f"{weight.path} is {weight.dtype}, not in variable dtype")


def _check_mask(layer, input_shape):
    if not layer.supports_masking or len(input_shape) != 3:
        return
    catcher = _MaskCatcher()
    keras.Sequential([keras.layers.Masking(), layer, catcher])(sample(input_shape))
    check(catcher.caught is not None, "the layer loses the mask")


@keras.saving.register_keras_serializable(package="kcomponents_testing")
class _MaskCatcher(keras.layers.Layer):
    """Store the mask it is called with."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.caught = None

    def call(self, inputs, mask=None):
        self.caught = mask
        return inputs


def _check_copies(layer, input_shape, stochastic):
    x = sample(input_shape)
    inputs = keras.Input(input_shape[1:])
    model = keras.Model(inputs, [layer(inputs), layer(inputs)])
    count = len(layer.weights)
    check(len(model.weights) == count, "a layer called twice doubles its weights")
    # Change the weights, so that a copy with initial weights is noticed.
    model.set_weights([w + 0.1 * sample(w.shape) for w in model.get_weights()])
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for copy in (saved_and_loaded(model), clone):
        check(len(copy.weights) == count, "a copy has a different number of weights")
        if not stochastic:
            for expected, found in zip(model(x), copy(x), strict=True):
                same(found, expected, "a copy returns different outputs")


def _check_fit(layer, input_shape, jit_compile):
    x = sample(input_shape)
    head = [keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.layers.Identity(), layer, *head])
    model.compile("sgd", "mse", jit_compile=jit_compile)
    model(x)
    before = model.get_weights()
    batches = ((x, np.ones((len(x), 1), "float32")) for _ in range(2))
    options = {"steps_per_epoch": 2, "shuffle": False, "verbose": 0}
    loss = model.fit(batches, **options).history["loss"][-1]
    check(np.isfinite(loss), f"the loss is {loss} after fit, {jit_compile=}")
    check_trained(model, before, f"fit changed no weight, {jit_compile=}")
    model.predict(x, verbose=0)
