"""Activations by name: what comes back, fresh or not, and what is refused."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kcomponents import activations
from kcomponents.layers import Maxout, PReLU, RReLU

X = np.linspace(-2, 2, 8, dtype="float32")[None]
KERAS = [
    name
    for name in dir(keras.activations)
    if not name.startswith("_") and name not in ("get", "serialize", "deserialize")
]


@pytest.mark.parametrize("name", [*KERAS, "swish", None])
def test_knows_all_that_keras_knows(name):
    assert activations.get(name) is keras.activations.get(name)


@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [
        ("prelu", PReLU, {}),
        ("prelu:0.1", PReLU, {}),
        ("rrelu", RReLU, {"lower": 1 / 8}),
        ("maxout", Maxout, {"num_pieces": 2}),
        ("maxout:4", Maxout, {"num_pieces": 4}),
        ("leaky_relu:0.01", layers.LeakyReLU, {"negative_slope": 0.01}),
        ("elu:0.5", layers.ELU, {"alpha": 0.5}),
    ],
)
@pytest.mark.parametrize("as_layer", [False, True])
def test_names_of_layers_give_a_new_one_each_time(name, kind, settings, as_layer):
    first, second = (activations.get(name, as_layer=as_layer) for _ in range(2))
    assert type(first) is type(second) is kind
    assert first is not second
    for key, value in settings.items():
        assert getattr(first, key) == value


def test_the_parameter_of_prelu_is_its_first_slope():
    y = ops.convert_to_numpy(activations.get("prelu:0.1")(X))
    np.testing.assert_allclose(y, np.where(X > 0, X, 0.1 * X), rtol=1e-6)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "relu", None, "swish"])
def test_a_name_means_the_same_as_function_and_as_layer(name):
    layer = activations.get(name, as_layer=True)
    assert isinstance(layer, layers.Activation)
    expected = activations.get(name)(ops.convert_to_tensor(X))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(layer(X)), ops.convert_to_numpy(expected)
    )


def test_leaky_relu_has_the_slope_of_the_function():
    y = ops.convert_to_numpy(activations.get("leaky_relu", as_layer=True)(X))
    np.testing.assert_allclose(y, np.where(X > 0, X, 0.2 * X), rtol=1e-6)


def test_callables_and_layers_pass_through():
    layer = PReLU()
    assert activations.get(layer) is activations.get(layer, as_layer=True) is layer
    assert activations.get(ops.sin) is ops.sin
    assert isinstance(activations.get(ops.sin, as_layer=True), layers.Activation)


def test_configs_give_new_objects():
    layer = PReLU(0.5, shared_axes=[1])
    config = keras.saving.serialize_keras_object(layer)
    found = activations.get(config)
    assert found is not layer
    assert found.get_config() == layer.get_config()


def test_stateless_names_serve_as_the_activation_of_a_layer(tmp_path):
    dense = layers.Dense(3, activation=activations.get("leaky_relu:0.01"))
    model = keras.Sequential([keras.Input((8,)), dense])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(X, verbose=0), model.predict(X, verbose=0)
    )


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("prelo", "'prelu'"),
        ("LeakyReLU", "unknown"),
        ("rellu", "'relu'"),
        ("", "unknown"),
        ("maxout:x", "parameter of `maxout`.*identifier='maxout:x'"),
        ("maxout:", "parameter of `maxout`"),
        ("maxout:0", "parameter of `maxout`"),
        ("maxout:2.5", "parameter of `maxout`"),
        ("prelu:nan", "parameter of `prelu`"),
        ("leaky_relu:-1", "parameter of `leaky_relu`"),
        ("elu:high", "parameter of `elu`"),
        ("relu:6", "`relu` takes no parameter"),
        ("rrelu:0.1", "`rrelu` takes no parameter"),
        ("tanhh:1", "'tanh'"),
        (PReLU, "instance"),
        (3, "Could not interpret"),
    ],
)
def test_rejects_what_names_no_activation(identifier, message):
    with pytest.raises(ValueError, match=message):
        activations.get(identifier)
