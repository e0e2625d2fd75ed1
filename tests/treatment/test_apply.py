"""apply: each setting of a remedy, on a copy of a model and of the arguments of fit."""

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.doctor import Finding, Remedy, _remedies
from kcomponents.optimizers import NormZScore, clipped
from kcomponents.treatment import apply
from kcomponents.treatment._settings import CHANGES

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(3, 5, (20, 4)).astype("float32")
Y = np.arange(20) % 3


def remedy(setting, value=None):
    return Remedy(setting, () if value is None else (value,), "It may help.")


def net(*hidden, last=None, optimizer=None, loss="sparse_categorical_crossentropy"):
    hidden = hidden or (layers.Dense(5, "relu", name="first"),)
    last = last or layers.Dense(3, "softmax", name="last")
    model = keras.Sequential([keras.Input((4,)), *hidden, last])
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return model


def made(setting, value=None, model=None, where="", **fit):
    """Return the model and the arguments of `fit` with a remedy."""
    finding = Finding("label_problem", where, ("It is so.",))
    return apply(remedy(setting, value), model or net(), fit, finding=finding)


def test_a_setting_of_the_catalog_is_changed_or_left_to_the_user():
    assert CHANGES.keys() <= _remedies.SETTINGS.keys()
    with pytest.raises(ValueError, match="one of these settings: .*batch_size"):
        made("check_labels")


def test_the_model_and_its_arguments_stay_as_they_are():
    model, fit = net(), {"x": X, "y": Y, "shuffle": False}
    before, x = model.get_weights(), X.copy()
    for each in (
        remedy("input_scaling", "normalization"),
        remedy("kernel_initializer", "he_normal"),
        remedy("learning_rate", 0.5),
        remedy("shuffle_before_split"),
    ):
        apply(each, model, fit)
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(X, x)
    assert fit["shuffle"] is False and fit["x"] is X
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.1, rtol=1e-6)


# The optimizer.


def test_a_learning_rate_takes_the_place_of_a_schedule():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    for rate in (0.1, schedule):
        model, _ = made(
            "learning_rate", 0.02, net(optimizer=keras.optimizers.SGD(rate))
        )
        np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.02, 1e-6)


def test_a_bound_of_gradients_takes_the_place_of_another_one():
    optimizer = keras.optimizers.Adam(0.1, clipvalue=1e-6)
    model, _ = made("clipnorm", 1.0, net(optimizer=optimizer))
    assert (model.optimizer.clipnorm, model.optimizer.clipvalue) == (1.0, None)
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.1, rtol=1e-6)


def test_an_optimizer_without_a_bound_becomes_a_clipped_one():
    model, _ = made("global_clipnorm", 0.5)
    expected = clipped(keras.optimizers.SGD(0.1), global_clipnorm=0.5)
    assert type(model.optimizer) is type(expected)
    assert model.optimizer.bounds == expected.bounds
    again, _ = made("global_clipnorm", 1.0, model)
    assert again.optimizer.bounds.global_clipnorm == 1.0


def test_steps_that_are_not_finite_are_skipped():
    model, _ = made("nonfinite", "skip")
    assert model.optimizer.bounds.nonfinite == "skip"


def test_an_optimizer_gets_its_default_settings():
    optimizer = keras.optimizers.SGD(9.0, momentum=0.999)
    model, _ = made("optimizer", "sgd", net(optimizer=optimizer))
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert model.optimizer.momentum == 0
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.01, rtol=1e-6)
    with pytest.raises(ValueError, match="none of Keras"):
        made("optimizer", "a_class_of_mine")


# The loss and the output.


@pytest.mark.parametrize("activation", ["linear", "softmax"])
@pytest.mark.parametrize("given", ["name", "object"])
def test_a_loss_takes_logits_and_the_output_gives_them(activation, given):
    loss = "sparse_categorical_crossentropy"
    if given == "object":
        loss = keras.losses.SparseCategoricalCrossentropy(name="mine")
    model = net(last=layers.Dense(3, activation), loss=loss)
    model, _ = made("from_logits", True, model)
    assert model.loss.get_config()["from_logits"]
    assert model.layers[-1].activation is keras.activations.linear
    assert model.loss.name == ("mine" if given == "object" else model.loss.name)


def test_a_loss_without_logits_is_refused():
    with pytest.raises(ValueError, match="does not take logits"):
        made("from_logits", True, net(loss="mean_squared_error"))


def test_an_output_gets_an_activation_and_a_loss():
    model = net(last=layers.Dense(3, "relu"), loss="mse")
    pair = "softmax", "sparse_categorical_crossentropy"
    model, _ = made("output_activation_and_loss", pair, model)
    assert model.layers[-1].activation is keras.activations.softmax
    assert model.loss == pair[1]
    one = net(last=layers.Dense(1), loss="mse")
    with pytest.raises(ValueError, match="another number of units"):
        made("output_activation_and_loss", pair, one)


def test_one_of_several_outputs_is_changed():
    inputs = keras.Input((4,))
    heads = {n: layers.Dense(2, "relu", name=n)(inputs) for n in ("a", "b")}
    model = keras.Model(inputs, heads)
    model.compile("sgd", {"a": "mse", "b": "mse"})
    pair = "softmax", "categorical_crossentropy"
    model, _ = made("output_activation_and_loss", pair, model, where="a")
    names = {la.name: la.activation.__name__ for la in model.layers if la.weights}
    assert names == {"a": "softmax", "b": "relu"}
    assert model.loss == {"a": "categorical_crossentropy", "b": "mse"}


# Hidden layers.


def test_saturating_layers_become_relu_with_new_weights():
    model = net(layers.Dense(5, "sigmoid"), layers.Dense(5, "sigmoid"))
    new, _ = made("hidden_activation", "relu", model)
    assert [la.activation.__name__ for la in new.layers] == ["relu", "relu", "softmax"]
    first, second = (la.kernel.numpy() for la in new.layers[:2])
    assert not np.array_equal(first, model.layers[0].kernel.numpy())
    assert not np.array_equal(first[:4], second[:4])


def test_only_the_layer_without_an_activation_gets_one():
    model = net(layers.Dense(5, name="a"), layers.Dense(5, name="b"))
    new, _ = made("hidden_activation", "relu", model, where=f"{model.name}/a")
    assert [la.activation.__name__ for la in new.layers] == [
        "relu",
        "linear",
        "softmax",
    ]


def test_a_relu_gets_a_slope():
    model = net(layers.Dense(5, "relu"), layers.Dense(5), layers.ReLU())
    new, _ = made("hidden_activation", "leaky_relu", model)
    assert new.layers[0].activation is keras.activations.leaky_relu
    assert new.layers[2].negative_slope > 0
    # New weights could help by themselves.
    for ours, theirs in zip(model.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("value", ["prelu", "maxout"])
def test_an_activation_with_weights_is_left_to_the_user(value):
    with pytest.raises(ValueError, match="needs new layers"):
        made("hidden_activation", value)


def test_kernels_are_drawn_anew_and_differ():
    model = net(layers.Dense(4, "relu", kernel_initializer="zeros"), layers.Dense(4))
    model.layers[0].bias.assign(np.full(4, -9.0))
    new, _ = made("kernel_initializer", "he_normal", model)
    kernels = [la.kernel.numpy() for la in new.layers]
    assert all(kernel.std() > 0.1 for kernel in kernels)
    assert not np.array_equal(kernels[0], kernels[1])
    assert not new.layers[0].bias.numpy().any()


def test_dropout_gets_weaker_and_never_stronger():
    hidden = layers.Dense(5, "relu"), layers.Dropout(0.9), layers.Dropout(0.1)
    new, _ = made("dropout", 0.2, net(*hidden))
    assert [la.rate for la in new.layers if isinstance(la, layers.Dropout)] == [
        0.2,
        0.1,
    ]
    with pytest.raises(ValueError, match="needs new layers"):
        made("dropout", 0.2)


def test_dropout_within_a_recurrent_layer_gets_weaker():
    model = keras.Sequential([keras.Input((3, 2)), layers.LSTM(4, dropout=0.9)])
    model.compile("sgd", "mse")
    new, _ = made("dropout", 0.2, model)
    assert new.layers[0].get_config()["dropout"] == 0.2


def test_noise_gets_weaker():
    new, _ = made("noise", 0.1, net(layers.GaussianNoise(0.9), layers.Dense(5, "relu")))
    assert new.layers[0].stddev == 0.1


@pytest.mark.parametrize("strength", [1e-4, 0.0])
def test_a_penalty_is_replaced(strength):
    model = net(layers.Dense(5, "relu", kernel_regularizer="l2"))
    model(X)
    new, _ = made("l2", strength, model)
    new(X)
    kernel = model.layers[0].kernel.numpy()
    due = [strength * (kernel**2).sum()] if strength else []
    found = [float(keras.ops.convert_to_numpy(loss)) for loss in new.losses]
    np.testing.assert_allclose(found, due, rtol=1e-5)


def test_a_penalty_is_added_where_there_is_none():
    new, _ = made("l2", 1e-3)
    assert [w.regularizer is not None for w in new.weights] == [True, False] * 2


def test_a_constraint_leaves_more_room():
    constraint = keras.constraints.MaxNorm(0.01)
    new, _ = made("max_norm", 3.0, net(layers.Dense(5, kernel_constraint=constraint)))
    assert new.layers[0].kernel.constraint.max_value == 3.0
    saved = new.layers[0].get_config()["kernel_constraint"]["config"]
    assert saved["max_value"] == 3.0


def test_moving_averages_settle_sooner():
    new, _ = made("momentum", 0.9, net(layers.Dense(5), layers.BatchNormalization()))
    assert new.layers[1].momentum == 0.9


def test_frozen_layers_are_trained():
    model = net()
    model.layers[0].trainable = False
    new, _ = made("trainable", True, model)
    assert len(new.trainable_variables) == 4 and len(model.trainable_variables) == 2


def test_padding_is_masked():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Embedding(9, 4), layers.LSTM(3)]
    )
    model.compile("sgd", "mse")
    new, _ = made("mask", True, model)
    ids = np.array([[1, 2, 0, 0, 0]])
    due = new.layers[1](new.layers[0](ids[:, :2]))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(new(ids)), keras.ops.convert_to_numpy(due), rtol=1e-5
    )


# The arguments of `fit`.


def test_arguments_of_fit_are_set():
    assert made("batch_size", 64, x=X, y=Y)[1]["batch_size"] == 64
    _, longer = made("epochs", 50, x=X, y=Y, epochs=10, callbacks=["mine"])
    assert longer["epochs"] == 50 and longer["callbacks"][0] == "mine"
    assert longer["callbacks"][1].monitor == "loss"
    _, stopped = made("early_stopping", True, x=X, y=Y, validation_split=0.1)
    assert stopped["callbacks"][0].restore_best_weights
    assert made("shuffle_before_split", x=X, y=Y, shuffle=False)[1]["shuffle"]


@pytest.mark.parametrize(
    ("setting", "fit", "reason"),
    [
        ("early_stopping", {"x": X, "y": Y}, "no validation data"),
        ("shuffle_before_split", {"x": X, "y": Y}, "before they are split"),
        ("batch_size", {"x": iter([X])}, "`x` must be arrays"),
        ("class_weight", {"x": X, "y": [Y, Y]}, "`y` must be one array"),
        ("noise", {}, "no layer adds noise"),
        ("momentum", {}, "no layer has moving averages"),
    ],
)
def test_what_cannot_be_set_is_refused_with_the_reason(setting, fit, reason):
    with pytest.raises(ValueError, match=reason):
        made(setting, 1, **fit)


def test_classes_get_balanced_weights():
    y = np.array([0] * 6 + [1] * 2)
    weights = made("class_weight", "balanced", x=X[:8], y=y)[1]["class_weight"]
    assert weights == {0: 8 / (2 * 6), 1: 8 / (2 * 2)}
    one_hot = np.eye(2)[y]
    assert (
        made("class_weight", "balanced", x=X, y=one_hot)[1]["class_weight"] == weights
    )
    found = made("sample_weight", "balanced", x=X, y=y)[1]["sample_weight"]
    np.testing.assert_allclose(found, [weights[each] for each in y])


@pytest.mark.any_backend
def test_inputs_are_scaled_by_what_the_training_inputs_are():
    valid = X[:5] + 1
    scales = {
        "rescaling": lambda x: x / 255,
        "once": lambda x: x * 255,
        "normalization": lambda x: (x - X.mean(0)) / X.std(0),
    }
    for value, scale in scales.items():
        _, fit = made("input_scaling", value, x=X, y=Y, validation_data=(valid, Y[:5]))
        np.testing.assert_allclose(fit["x"], scale(X), rtol=1e-4, atol=1e-5)
        found, labels = fit["validation_data"]
        np.testing.assert_allclose(found, scale(valid), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(labels, Y[:5])


@pytest.mark.any_backend
def test_targets_are_scaled_by_what_the_training_targets_are():
    y, valid = 100 * X[:, :1] + 7, X[:5, :1]
    _, fit = made(
        "target_scaling", "normalization", x=X, y=y, validation_data=(X, valid)
    )
    np.testing.assert_allclose(fit["y"].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(fit["y"].std(), 1, rtol=1e-5)
    due = (valid - y.mean()) / y.std()
    np.testing.assert_allclose(fit["validation_data"][1], due, rtol=1e-4)


def test_a_function_makes_the_model():
    new, _ = apply(remedy("learning_rate", 0.3), net)
    np.testing.assert_allclose(float(new.optimizer.learning_rate), 0.3, rtol=1e-6)


def test_an_adaptive_bound_is_kept_beside_another_rate():
    optimizer = clipped(keras.optimizers.SGD(0.1), adaptive=NormZScore())
    new, _ = made("learning_rate", 0.3, net(optimizer=optimizer))
    assert type(new.optimizer) is type(optimizer)


def test_only_remedies_are_applied():
    with pytest.raises(ValueError, match="must be a `kcomponents.doctor.Remedy`"):
        apply("learning_rate", net())
