"""PReLU against its definition, for every rank and data format, and against Keras."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.layers import PReLU
from kcomponents.testing import check_layer, compiled, gradient
from tests.keras_own import cases, run, theirs_in

prelu_test = theirs_in("layers.activations.prelu_test")

X = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
# In and outside training the same function is computed in two ways.
IN_BOTH_MODES = pytest.mark.parametrize("training", [False, True])
SLOPES = np.array([0.5, 0.0, -1.0, 2.0, 0.1], "float32")


def built(layer, shape, alpha=None):
    layer.build(shape)
    if alpha is not None:
        layer.alpha.assign(np.reshape(alpha, layer.alpha.shape))
    return layer


@IN_BOTH_MODES
def test_each_channel_has_its_slope(training):
    layer = built(PReLU(), X.shape, SLOPES)
    y = ops.convert_to_numpy(layer(X, training=training))
    np.testing.assert_allclose(y, np.where(X > 0, X, SLOPES * X), rtol=1e-6)


def test_slopes_start_at_the_number_given():
    layer = built(PReLU(-0.5), X.shape)
    np.testing.assert_array_equal(layer.alpha, np.full((1, 1, 5), -0.5))
    assert layer.alpha.name == "alpha"


@IN_BOTH_MODES
def test_gradients_are_those_of_the_definition_also_at_zero(training):
    x = np.where(np.abs(X) < 0.5, 0, X).astype("float32")
    upstream = np.random.default_rng(1).normal(size=X.shape).astype("float32")
    layer = built(PReLU(), X.shape)

    def value(x, alpha):
        y, _ = layer.stateless_call([alpha], [], x, training=training)
        return ops.sum(ops.multiply(y, upstream))

    alpha = SLOPES[None, None]
    by_x, by_alpha = gradient(value, x, alpha)
    expected = upstream * np.where(x > 0, 1, SLOPES)
    np.testing.assert_allclose(by_x, expected, rtol=1e-5, atol=1e-6)
    expected = (upstream * np.minimum(x, 0)).sum((0, 1, 2))[None, None]
    np.testing.assert_allclose(by_alpha, expected, rtol=1e-4, atol=1e-5)


@IN_BOTH_MODES
def test_gradient_of_the_gradient_is_right(training):
    # Of `(dy/dx)^2 = alpha^2` where `x` is negative.
    layer = built(PReLU(), (1, 2))

    def squared_slope(alpha):
        def value(x):
            return ops.sum(layer.stateless_call([alpha], [], x, training=training)[0])

        return ops.sum(ops.square(_inner_gradient(value, [[-1.0, 1.0]])))

    [slope] = gradient(squared_slope, [0.3, 0.4])
    np.testing.assert_allclose(slope, [0.6, 0.0], rtol=1e-6)


def _inner_gradient(value, x):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = value(x)
        return tape.gradient(y, x)
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(value)(np.array(x, "float32"))
    import torch

    x = torch.tensor(x, requires_grad=True)
    return torch.autograd.grad(value(x), x, create_graph=True)[0]


@IN_BOTH_MODES
def test_infinite_inputs_give_their_limits(training):
    layer = built(PReLU(), (1, 3), [0.0, 0.25, -1.0])
    low, high, nan = -np.inf, np.inf, np.nan

    def call(x):
        return layer(x, training=training)

    for run_it in (call, compiled(call)):
        y = ops.convert_to_numpy(run_it(np.array([[low] * 3, [high] * 3], "float32")))
        np.testing.assert_array_equal(y, [[0, low, high], [high] * 3])
        y = ops.convert_to_numpy(run_it(np.array([[nan] * 3], "float32")))
        assert np.isnan(y).all()


@IN_BOTH_MODES
def test_slope_zero_makes_zero_of_negative_infinity_in_half_precision(training):
    layer = PReLU(0.0, dtype="float16")
    y = layer(np.array([[-np.inf]], "float16"), training=training)
    np.testing.assert_array_equal(ops.convert_to_numpy(y), [[0]])


@IN_BOTH_MODES
def test_slope_zero_has_the_sum_of_large_negative_inputs_as_its_gradient(training):
    layer = built(PReLU(), (2, 1))

    def value(alpha):
        x = np.array([[-1e6], [-2e6]], "float32")
        y, _ = layer.stateless_call([alpha], [], x, training=training)
        return ops.sum(y)

    [slope] = gradient(value, [0.0])
    np.testing.assert_array_equal(slope, [-3e6])


@IN_BOTH_MODES
def test_positive_infinity_leaves_the_slope_its_gradient(training):
    layer = built(PReLU(), (2, 1))

    def value(alpha):
        x = np.array([[np.inf], [-2.0]], "float32")
        y, _ = layer.stateless_call([alpha], [], x, training=training)
        return y[1, 0]

    [slope] = gradient(value, [0.25])
    np.testing.assert_array_equal(slope, [-2.0])


@pytest.mark.parametrize(
    ("shape", "data_format", "alpha_shape"),
    [
        ((2,), "channels_last", ()),
        ((2, 5), "channels_last", (5,)),
        ((2, 5), "channels_first", (5,)),
        ((2, None, 5), "channels_last", (1, 5)),
        ((2, 5, None), "channels_first", (5, 1)),
        ((2, None, None, 5), "channels_last", (1, 1, 5)),
        ((2, 5, None, None), "channels_first", (5, 1, 1)),
        ((2, None, None, None, 5), "channels_last", (1, 1, 1, 5)),
        ((None, 5, None, None, None), "channels_first", (5, 1, 1, 1)),
    ],
)
def test_auto_finds_the_channels_of_every_rank(shape, data_format, alpha_shape):
    layer = built(PReLU(data_format=data_format), shape)
    assert tuple(layer.alpha.shape) == alpha_shape


def test_data_format_follows_the_settings_of_keras():
    before = keras.config.image_data_format()
    try:
        keras.config.set_image_data_format("channels_first")
        layer = PReLU()
    finally:
        keras.config.set_image_data_format(before)
    # Kept with the model, whatever the settings are where it is loaded.
    assert layer.get_config()["data_format"] == "channels_first"
    assert tuple(built(layer, (2, 5, None)).alpha.shape) == (5, 1)


def test_one_layer_serves_images_of_every_size():
    inputs = keras.Input((None, None, 5))
    model = keras.Model(inputs, PReLU()(inputs))
    for height in (3, 7):
        x = np.full((2, height, 2, 5), -4.0, "float32")
        np.testing.assert_allclose(model.predict(x, verbose=0), x / 4)


@pytest.mark.parametrize(
    ("shared_axes", "alpha_shape"),
    [
        (None, (3, 4, 5)),
        ([], (3, 4, 5)),
        (1, (1, 4, 5)),
        ([1, 2], (1, 1, 5)),
        ((-1,), (3, 4, 1)),
        ([-3, -2], (1, 1, 5)),
        ([1, 2, 3], (1, 1, 1)),
        ([2, -2], (3, 1, 5)),
    ],
)
def test_shared_axes_may_be_listed_and_count_from_either_end(shared_axes, alpha_shape):
    layer = built(PReLU(shared_axes=shared_axes), X.shape)
    assert tuple(layer.alpha.shape) == alpha_shape
    alpha = np.random.default_rng(1).normal(size=alpha_shape).astype("float32")
    layer.alpha.assign(alpha)
    y = ops.convert_to_numpy(layer(X))
    np.testing.assert_allclose(y, np.where(X > 0, X, alpha * X), rtol=1e-6)


@pytest.mark.parametrize("shared_axes", [0, -4, [1, 0], 4, [1, -5]])
def test_refuses_axes_that_have_no_slopes(shared_axes):
    with pytest.raises(ValueError, match="shared_axes"):
        PReLU(shared_axes=shared_axes).build(X.shape)


@pytest.mark.parametrize(
    "arguments",
    [
        {"shared_axes": "all"},
        {"shared_axes": 1.5},
        {"shared_axes": [True]},
        {"data_format": "channels"},
        {"alpha_initializer": np.nan},
        {"alpha_initializer": True},
        {"alpha_initializer": "no_such_initializer"},
    ],
)
def test_rejects_invalid_arguments(arguments):
    with pytest.raises(ValueError, match="Received|Unknown|Could not"):
        PReLU(**arguments)


@pytest.mark.parametrize("shared_axes", [None, [2], "auto"])
def test_a_slope_per_position_needs_fixed_sizes(shared_axes):
    shape = (2, None, 5) if shared_axes != "auto" else (2, 5, None)
    with pytest.raises(ValueError, match="shared_axes='auto'"):
        PReLU(shared_axes=shared_axes).build(shape)


def test_refuses_inputs_that_do_not_fit_the_slopes():
    layer = built(PReLU(), (None, 5))
    with pytest.raises(ValueError, match="incompatible"):
        layer(np.ones((2, 4)))


def test_whole_numbers_become_floats():
    y = ops.convert_to_numpy(PReLU()(np.array([[-4, 4]])))
    np.testing.assert_array_equal(y, [[-1.0, 4.0]])


def test_the_preset_equals_the_layer_of_keras():
    ours, theirs = PReLU.keras_compatible(), keras.layers.PReLU()
    for layer in (ours, theirs):
        built(layer, X.shape, np.linspace(-1, 2, 60))
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours(X)), ops.convert_to_numpy(theirs(X)), rtol=1e-6
    )
    assert PReLU.keras_compatible(shared_axes=[1]).shared_axes == [1]


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({}, (2, 3, 4)),
        ({"shared_axes": [-2], "alpha_regularizer": "l1"}, (2, 3, 4, 5)),
    ],
)
def test_passes_the_checks_of_a_layer(arguments, shape):
    check_layer(PReLU, arguments, input_shape=shape)


@pytest.mark.parametrize("case", cases(prelu_test))
def test_passes_the_tests_of_keras(case, monkeypatch):
    monkeypatch.setattr(prelu_test.prelu, "PReLU", PReLU)
    run(case)
