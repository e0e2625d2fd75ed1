"""recommended_for: the variance that each activation is known to need."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import recommended_for
from kcomponents.layers import Maxout, MaxoutDense
from kcomponents.testing import check_initializer

LAYERS = keras.layers
HE = {
    "relu": 2.0,
    "gelu": 2.0,
    "elu:0.5": 2.0,
    "leaky_relu": 2 / 1.04,
    "leaky_relu:0.1": 2 / 1.01,
    "prelu": 2 / (1 + 1 / 16),
    "rrelu": 2 / (1 + (1 / 64 + 1 / 24 + 1 / 9) / 3),
    LAYERS.ReLU: 2.0,
    LAYERS.LeakyReLU: 2 / 1.09,
    LAYERS.PReLU: 2.0,
    LAYERS.ELU: 2.0,
    keras.activations.relu: 2.0,
    keras.activations.leaky_relu: 2 / 1.04,
    "selu": 1.0,
    keras.activations.selu: 1.0,
}
GLOROT = {
    None: 1.0,
    "linear": 1.0,
    "tanh": 1.0,
    keras.activations.softmax: 1.0,
    "sigmoid": 16.0,
    keras.activations.sigmoid: 16.0,
    "hard_sigmoid": 36.0,
}


@pytest.mark.parametrize(("activation", "scale"), HE.items())
def test_rectifiers_get_a_variance_over_the_inputs(activation, scale):
    config = recommended_for(activation).get_config()
    assert config["scale"] == pytest.approx(scale)
    assert config["mode"] == "fan_in"


@pytest.mark.parametrize(("activation", "scale"), GLOROT.items())
def test_sigmoids_get_a_variance_over_inputs_and_outputs(activation, scale):
    config = recommended_for(activation).get_config()
    assert config["scale"] == pytest.approx(scale)
    assert config["mode"] == "fan_avg"


@pytest.mark.parametrize(
    ("layer", "scale"),
    [
        (LAYERS.ReLU(negative_slope=0.5), 1.6),
        (LAYERS.LeakyReLU(negative_slope=0.5), 1.6),
        (LAYERS.PReLU(alpha_initializer=keras.initializers.Constant(0.5)), 1.6),
        (LAYERS.Activation("selu"), 1.0),
        (LAYERS.Softmax(axis=1), 1.0),
        (Maxout(4), 0.64461),
        (MaxoutDense(3, num_pieces=4), 0.64461),
        (LAYERS.Dense(3, "tanh"), 1.0),
        (LAYERS.Conv1D(3, 2, activation=LAYERS.LeakyReLU(negative_slope=0.5)), 1.6),
    ],
    ids=lambda given: getattr(given, "name", given),
)
def test_a_layer_is_asked_for_its_slope_or_activation(layer, scale):
    assert recommended_for(layer).scale == pytest.approx(scale, rel=1e-4)


# Table 1 of Tseran & Montúfar.
@pytest.mark.parametrize(
    ("pieces", "scale"), [(2, 1.0), (3, 0.78391), (4, 0.64461), (5, 0.55555)]
)
def test_maxout_gets_the_constants_of_its_paper(pieces, scale):
    assert recommended_for(f"maxout:{pieces}").scale == pytest.approx(scale, abs=1e-4)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu:0.3", "maxout:3"])
def test_the_signal_keeps_its_size_over_many_layers(activation):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 300)).astype("float32")
    name, _, argument = activation.partition(":")
    for seed in range(20):
        units = 300 * (int(argument) if name == "maxout" else 1)
        x = x @ ops.convert_to_numpy(
            recommended_for(activation, seed=seed)((300, units))
        )
        if name == "maxout":
            x = x.reshape(100, 300, -1).max(-1)
        else:
            x = np.where(x < 0, float(argument or 0) * x, x)
    assert 0.3 < np.mean(x**2) * (2 if name == "relu" else 1) < 3


def test_each_call_gives_a_fresh_initializer():
    one, two = recommended_for("relu"), recommended_for("relu")
    assert abs(ops.convert_to_numpy(one((3, 4)) - two((3, 4)))).max() > 0


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "maxout:3"])
def test_keeps_the_promises_of_an_initializer(activation):
    check_initializer(recommended_for(activation, seed=1), shape=(3, 4))


@pytest.mark.parametrize(
    ("activation", "near"),
    [
        ("rellu", "relu"),
        ("sigmod", "sigmoid"),
        ("leakyrelu6", "leaky_relu"),
        (lambda x: x, "relu"),
        (LAYERS.Flatten, "relu"),
        ("glu", "elu"),
    ],
)
def test_rejects_what_it_does_not_know_and_names_what_is_near(activation, near):
    with pytest.raises(
        ValueError, match=f"no recommended initializer.*{near}.*Received"
    ):
        recommended_for(activation)


@pytest.mark.parametrize(
    "activation",
    ["maxout:0", "maxout:x", "leaky_relu:x", "relu:1", Maxout(num_units=3)],
)
def test_rejects_parameters_that_say_nothing(activation):
    with pytest.raises(ValueError):
        recommended_for(activation)
