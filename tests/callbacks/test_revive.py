"""Revive gives units that never fire new weights at the end of epochs."""

import keras
import numpy as np
import pytest

from kcomponents.callbacks import Resume, Revive

layers = keras.layers
X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X[:, :1] - X[:, 1:2]


def model_with(dead):
    """Return a compiled model of which these hidden units never fire."""
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(6, "relu", name="hidden")
    model = keras.Sequential([keras.Input((4,)), hidden, layers.Dense(1, name="out")])
    bias = np.ones(6)
    bias[dead] = -99.0
    hidden.bias.assign(bias)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def fit(model, callback, epochs=3, **options):
    options = {"batch_size": 16, "shuffle": False, "verbose": 0} | options
    data = options.pop("data", (X, Y))
    callbacks = [callback] if callback else []
    return model.fit(*data, epochs=epochs, callbacks=callbacks, **options)


def test_dead_units_fire_and_learn_again():
    model, alive = model_with([0, 2]), Revive(seed=0)
    fit(model, alive)
    assert alive.revived == {0: {"hidden": [0, 2]}}
    hidden, out = model.layers
    kernel, bias = hidden.get_weights()
    assert np.all(np.any(X @ kernel + bias > 0, axis=0))
    # They began with an outgoing weight of 0.
    assert np.all(out.get_weights()[0] != 0)


def test_a_model_without_dead_units_trains_as_without_the_callback():
    plain, model = model_with([]), model_with([])
    fit(plain, None)
    fit(model, alive := Revive())
    assert alive.revived == {}
    for found, expected in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "arguments, epochs, expected",
    [
        ({"every": 2}, 4, [1]),
        ({"every": 3}, 3, []),
        ({"until": 1}, 3, [0]),
        ({}, 1, []),
    ],
)
@pytest.mark.any_backend
def test_units_are_revived_in_epochs_that_are_due(arguments, epochs, expected):
    alive = Revive(**arguments)
    fit(model_with([1]), alive, epochs)
    assert list(alive.revived) == expected


@pytest.mark.any_backend
def test_a_seed_repeats_the_new_weights():
    models = [model_with([1, 3]) for _ in range(3)]
    for model, seed in zip(models, (7, 7, 8), strict=True):
        fit(model, Revive(seed=seed))
    kernels = [model.layers[0].get_weights()[0] for model in models]
    assert (kernels[0] == kernels[1]).all() and (kernels[0] != kernels[2]).any()


def test_samples_can_be_given_where_fit_gets_batches():
    def batches():
        while True:
            yield X[:16], Y[:16]

    options = {"data": (batches(),), "batch_size": None, "steps_per_epoch": 4}
    with pytest.raises(ValueError, match="Pass `x=` to `Revive`.*Received"):
        fit(model_with([2]), Revive(), **options)
    fit(model_with([2]), alive := Revive(X), **options)
    assert alive.revived == {0: {"hidden": [2]}}


@pytest.mark.any_backend
def test_a_model_without_a_graph_is_refused_before_training():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    model = Own()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`Sequential` or functional"):
        fit(model, Revive())


@pytest.mark.any_backend
@pytest.mark.parametrize("resume_first", [True, False])
def test_a_resumed_run_knows_what_was_revived_before(tmp_path, resume_first):
    def run(epochs):
        alive, resume = Revive(until=1, seed=0), Resume(tmp_path / "run")
        callbacks = [resume, alive] if resume_first else [alive, resume]
        options = {"batch_size": 16, "shuffle": False, "verbose": 0}
        model_with([4]).fit(X, Y, epochs=epochs, callbacks=callbacks, **options)
        return alive.revived

    assert run(2) == run(3) == {0: {"hidden": [4]}}


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["every", "until", "batch_size"])
def test_rejects_invalid_arguments(name):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        Revive(X, **{name: 0})
