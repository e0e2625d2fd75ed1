"""linear_region: the map is exact at an input, and around it."""

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.activations import rrelu
from kcomponents.analysis import linear_region
from kcomponents.layers import MaxoutDense, PReLU

RANDOM = np.random.default_rng(0)


def data(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def dense(*between):
    hidden = [layers.Dense(6, name="one"), *between, layers.Dense(5, name="two")]
    return keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(3)])


def images():
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Rescaling(0.5),
            layers.Conv2D(3, 3, activation="relu", name="one"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )


def skipping():
    inputs = keras.Input((4,))
    one = layers.Dense(4, "relu", name="one")(inputs)
    both = layers.Add()([inputs, layers.LeakyReLU(name="leaky")(layers.Dense(4)(one))])
    return keras.Model(inputs, layers.Dense(2)(both))


MODELS = {
    "linear": dense,
    "relu": lambda: dense(layers.ReLU(name="rest")),
    "leaky": lambda: dense(layers.Activation("leaky_relu")),
    "learned": lambda: dense(PReLU(0.3)),
    "maxout": lambda: dense(MaxoutDense(4, num_pieces=3)),
    "images": images,
    "skipping": skipping,
}


@pytest.mark.parametrize("name", MODELS)
def test_the_map_is_exact_in_the_region_of_each_sample(name):
    model = MODELS[name]()
    x = data(5, *model.input_shape[1:])
    region = linear_region(model, x)
    assert region.weights.shape == (5, model.output_shape[1], *model.input_shape[1:])
    # So near that no unit bends, but where the map alone says what changes.
    for near in (x, x + 1e-4 * data(*x.shape)):
        expected = model.predict(near, verbose=0)
        np.testing.assert_allclose(region(near), expected, rtol=0, atol=2e-5)


def test_a_linear_network_has_one_map_for_all_inputs():
    model = dense()
    region = linear_region(model, data(4, 4))
    kernels = [layer.kernel.numpy() for layer in model.layers]
    product = np.linalg.multi_dot(kernels).T
    for one in region.weights:
        np.testing.assert_allclose(one, product, rtol=1e-4, atol=1e-6)
    assert region.active == {}


def test_inactive_units_can_be_left_out():
    model = dense(layers.ReLU(name="rest"))
    x = data(7, 4)
    region = linear_region(model, x)
    one, two, last = (layer for layer in model.layers if hasattr(layer, "kernel"))
    firing = (x @ one.kernel.numpy() + one.bias.numpy()) > 0
    assert np.array_equal(region.active["rest"], firing)
    for weights, fires in zip(region.weights, firing, strict=True):
        thin = one.kernel.numpy()[:, fires] @ two.kernel.numpy()[fires]
        thin = (thin @ last.kernel.numpy()).T
        np.testing.assert_allclose(weights, thin, rtol=1e-4, atol=1e-6)


def test_active_units_are_listed_by_layer_in_order():
    assert list(linear_region(skipping(), data(2, 4)).active) == ["one", "leaky"]
    assert linear_region(images(), data(2, 6, 6, 2)).active["one"].shape == (2, 4, 4, 3)


@pytest.mark.parametrize("name", ["leaky", "learned"])
def test_active_units_of_other_rectifiers_are_listed_too(name):
    model = MODELS[name]()
    x = data(3, 4)
    [fires] = linear_region(model, x).active.values()
    one = model.get_layer("one")
    assert np.array_equal(fires, x @ one.kernel.numpy() + one.bias.numpy() > 0)


def test_a_dense_layer_with_rrelu_is_a_rectifier_with_the_mean_slope():
    one = layers.Dense(6, rrelu, name="one")
    model = keras.Sequential([keras.Input((4,)), one, layers.Dense(2)])
    x = data(3, 4)
    region = linear_region(model, x)
    np.testing.assert_allclose(region(x), model.predict(x, verbose=0), rtol=1e-4)
    fires = x @ one.kernel.numpy() > 0
    np.testing.assert_array_equal(region.active["one"], fires)


def nested():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    inputs = keras.Input((4,))
    return keras.Model(inputs, inner(inputs))


def double():
    inputs = [keras.Input((2,)), keras.Input((2,))]
    return keras.Model(inputs, layers.Add()(inputs))


class Own(keras.Model):
    """Has no graph."""

    def call(self, x):
        return x


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: dense(layers.Activation("tanh")), "piecewise linear.*'tanh'"),
        (
            lambda: dense(layers.LayerNormalization()),
            "piecewise linear.*layer_norm",
        ),
        (nested, "must not contain another model"),
        (double, "one input and one output.*inputs=2"),
        (Own, "built `Sequential` or functional model"),
    ],
)
def test_rejects_models_that_are_not_piecewise_linear(make, message):
    with pytest.raises(ValueError, match=message):
        linear_region(make(), data(2, 4))
