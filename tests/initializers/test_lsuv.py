"""lsuv: every layer answers the batch with unit variance, and nothing else changes."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import lsuv
from kcomponents.layers import MaxoutDense, PreActivationResidual

LAYERS = keras.layers
X = 3 * np.random.default_rng(0).normal(size=(200, 8)).astype("float32") + 1
IMAGES = np.random.default_rng(1).normal(size=(20, 8, 8, 2)).astype("float32")


def variance(model, x=X):
    return float(np.var(ops.convert_to_numpy(model(x, training=False))))


def deep(activation):
    stack = [LAYERS.Dense(32, activation) for _ in range(4)]
    return keras.Sequential([keras.Input((8,)), *stack, LAYERS.Dense(3)])


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = {"first": LAYERS.Dense(16, "tanh"), "rest": [LAYERS.Dense(4)]}

    def call(self, inputs):
        return self.parts["rest"][0](self.parts["first"](inputs))


def nested():
    return keras.Sequential([keras.Input((8,)), deep("relu"), Subclassed()])


def branched():
    one, two = keras.Input((8,), name="one"), keras.Input((8,), name="two")
    shared = LAYERS.Dense(6, "relu")
    joined = LAYERS.Concatenate()([shared(one), shared(two)])
    return keras.Model([one, two], LAYERS.Dense(5)(joined))


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", LAYERS.LeakyReLU()])
def test_what_enters_each_activation_has_unit_variance(activation):
    model = deep(activation)
    report = lsuv(model, X)
    assert [path for path, *_ in report] == [part.path for part in model.layers]
    x = X
    for layer in model.layers:
        z = x @ layer.get_weights()[0]
        assert z.var() == pytest.approx(1, abs=0.1)
        x = ops.convert_to_numpy(layer(x))


def test_the_report_tells_the_variance_and_the_rounds():
    model = keras.Sequential([keras.Input((8,)), LAYERS.Dense(5)])
    [(path, reached, rounds)] = lsuv(model, X)
    assert path == model.layers[0].path
    assert reached == pytest.approx(variance(model), rel=1e-3)
    assert rounds == 1


def test_dropout_is_off_while_variances_are_measured():
    def scales(rate):
        stack = [LAYERS.Dense(5), LAYERS.Dropout(rate), LAYERS.Dense(4)]
        model = keras.Sequential([keras.Input((8,)), *stack])
        return [reached for _, reached, _ in lsuv(model, X, seed=1)]

    assert scales(0.9) == scales(0.0)


def test_the_kernels_are_orthonormal_but_for_their_scale():
    model = deep("relu")
    lsuv(model, X)
    for layer in model.layers:
        kernel = layer.get_weights()[0]
        tall = kernel if kernel.shape[0] >= kernel.shape[1] else kernel.T
        product = tall.T @ tall
        scaled = product[0, 0] * np.eye(len(product))
        np.testing.assert_allclose(product, scaled, atol=1e-4)


@pytest.mark.parametrize("build", [nested, branched])
def test_layers_are_found_wherever_they_are(build):
    model = build()
    x = [X, 2 * X] if build is branched else X
    model(x)
    report = lsuv(model, x)
    count = sum(weight.path.endswith("kernel") for weight in model.weights)
    assert len(report) == count
    assert all(reached == pytest.approx(1, abs=0.1) for _, reached, _ in report)
    assert variance(model, x) == pytest.approx(1, abs=0.1)


def test_convolutions_and_layers_made_of_layers_take_part():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            LAYERS.Conv2D(4, 3, activation="relu"),
            LAYERS.SeparableConv2D(4, 3),
            LAYERS.DepthwiseConv2D(2),
            PreActivationResidual(6),
            LAYERS.Reshape((9, 6)),
            LAYERS.TimeDistributed(LAYERS.Dense(3)),
            MaxoutDense(2),
        ]
    )
    report = lsuv(model, IMAGES)
    assert len(report) == 8
    assert all(reached == pytest.approx(1, abs=0.1) for _, reached, _ in report)


def test_biases_frozen_and_recurrent_kernels_and_averages_stay():
    frozen = LAYERS.Dense(4, name="frozen")
    model = keras.Sequential(
        [
            keras.Input((5, 8)),
            frozen,
            LAYERS.LSTM(4),
            LAYERS.BatchNormalization(),
            LAYERS.Dense(3, bias_initializer="ones"),
        ]
    )
    frozen.trainable = False
    before = {weight.path: weight.numpy() for weight in model.weights}
    lsuv(model, np.tile(X[:, None], (1, 5, 1)))
    changed = [w for w in model.weights if (w.numpy() != before[w.path]).any()]
    assert [weight.path for weight in changed] == [model.layers[-1].kernel.path]


def test_the_model_trains_as_ever_afterwards():
    model = deep(LAYERS.PReLU())
    model(X)
    own = [set(vars(layer)) for layer in model.layers]
    lsuv(model, X)
    assert [set(vars(layer)) for layer in model.layers] == own
    model.compile("sgd", "mse")
    loss = model.fit(X, np.zeros((200, 3)), verbose=0).history["loss"][0]
    assert np.isfinite(loss)


def test_mixed_precision_keeps_kernels_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    model = deep("relu")
    assert all(abs(reached - 1) < 0.1 for _, reached, _ in lsuv(model, X))


def test_a_seed_repeats_the_kernels_and_layers_differ():
    models = [deep("relu") for _ in range(2)]
    for model in models:
        lsuv(model, X, seed=3)
    one, two = (model.layers[2].get_weights()[0] for model in models)
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - models[0].layers[3].get_weights()[0]).max() > 0.1


def test_another_variance_may_be_the_target():
    model = deep("relu")
    lsuv(model, X, target_variance=4.0, tolerance=0.01)
    assert variance(model) == pytest.approx(4, abs=0.01)


@pytest.mark.parametrize(("factor", "expected"), [(1.01, 0), (1.0, 1), (0.99, 1)])
def test_a_kernel_is_scaled_unless_the_variance_is_nearer_than_the_tolerance(
    factor, expected
):
    model = keras.Sequential([keras.Input((8,)), LAYERS.Dense(5)])
    [(_, first, rounds)] = lsuv(model, X, tolerance=1e3, seed=1)
    assert rounds == 0
    [(_, _, rounds)] = lsuv(model, X, tolerance=factor * abs(first - 1), seed=1)
    assert rounds == expected


def test_the_rounds_are_at_most_those_allowed():
    bias = keras.initializers.RandomNormal(stddev=10.0, seed=1)
    dense = LAYERS.Dense(5, bias_initializer=bias)
    model = keras.Sequential([keras.Input((8,)), dense])
    [(_, reached, rounds)] = lsuv(model, X, max_rounds=3)
    assert rounds == 3
    assert reached == pytest.approx(variance(model), rel=1e-3)


def dead():
    bias = keras.initializers.Constant(-1e6)
    first = LAYERS.Dense(8, "relu", bias_initializer=bias)
    return keras.Sequential([keras.Input((8,)), first, LAYERS.Dense(3)])


@pytest.mark.parametrize(
    ("build", "x", "options", "rule"),
    [
        (dead, X, {}, "must vary"),
        (lambda: deep("relu"), X[:0], {}, "finite numbers"),
        (lambda: deep("relu"), X * np.nan, {}, "finite numbers"),
        (lambda: deep("relu"), [], {}, "at least one array"),
        (lambda: deep("relu"), X, {"max_rounds": 0}, "positive integer"),
        (lambda: deep("relu"), X, {"tolerance": 0}, "above 0"),
        (lambda: deep("relu"), X, {"target_variance": float("inf")}, "finite"),
        (lambda: keras.Sequential([LAYERS.Dense(3)]), X, {}, "must be built"),
        (lambda: keras.Sequential([keras.Input((8,)), LAYERS.ReLU()]), X, {}, "kernel"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_refuses_what_it_cannot_scale_and_leaves_the_model_alone(
    build, x, options, rule
):
    model = build()
    before = model.get_weights()
    own = [set(vars(layer)) for layer in model.layers]
    with pytest.raises(ValueError, match=rule):
        lsuv(model, x, **options)
    for mine, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, kept)
    assert [set(vars(layer)) for layer in model.layers] == own
