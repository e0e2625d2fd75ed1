"""sensitivity: the measured change of the loss, and the prediction of the gradient."""

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.analysis import sensitivity

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 5)).astype("float32")
Y = RANDOM.normal(size=(40, 1)).astype("float32")


def make(depth=2, activation="tanh"):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(16, activation) for _ in range(depth)]
    model = keras.Sequential([keras.Input((5,)), *hidden, layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_small_noise_changes_the_loss_as_the_gradient_predicts():
    found = sensitivity(make(), X, Y, scale=1e-3, repeats=200)
    assert [shake.path.split("/")[-1] for shake in found] == ["kernel"] * 3
    for shake in found:
        # A root mean square of 200 draws is right to some percent.
        assert shake.ratio == pytest.approx(1, abs=0.25)


def test_the_sensitivity_of_a_linear_model_equals_a_computation_by_hand():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    kernel = model.layers[0].kernel.numpy()
    [shake] = sensitivity(model, X, Y, scale=0.1, repeats=1, seed=3)
    size = 0.1 * np.sqrt(np.mean(kernel**2))
    noise = size * np.random.default_rng(3).standard_normal((1, *kernel.shape))[0]
    before = np.mean((X @ kernel - Y) ** 2)
    after = np.mean((X @ (kernel + noise) - Y) ** 2)
    slope = 2 * X.T @ (X @ kernel - Y) / len(X)
    assert shake.shaken == pytest.approx(abs(after - before), rel=1e-3)
    assert shake.gradient == pytest.approx(size * np.linalg.norm(slope), rel=1e-4)


def test_in_a_deep_sigmoid_network_early_layers_hardly_matter():
    sick = [s.shaken for s in sensitivity(make(6, "sigmoid"), X, Y)]
    assert sick[0] < 1e-3 * sick[-1]
    # The same with rectifiers.
    sound = [s.shaken for s in sensitivity(make(6, "relu"), X, Y)]
    assert sound[0] > 1e-2 * sound[-1]


def test_the_model_stays_as_it_is_and_a_seed_repeats():
    model = make()
    before = [v.numpy() for v in model.variables]
    first, again = (sensitivity(model, X, Y, seed=1) for _ in range(2))
    assert first == again != sensitivity(model, X, Y, seed=2)
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


def test_subclassed_models_work():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = layers.Dense(1)

        def call(self, x):
            return self.layer(x)

    model = Own()
    model.compile("sgd", "mse")
    model(X)
    assert len(sensitivity(model, X, Y)) == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scale": 0}, "`scale` must be.*Received: scale=0"),
        ({"repeats": 0}, "`repeats` must be a positive integer"),
    ],
)
def test_rejects_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        sensitivity(make(), X, Y, **options)


def test_rejects_a_model_without_a_loss():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="compiled with a loss. Received: model="):
        sensitivity(model, X, Y)
