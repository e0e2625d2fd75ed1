"""Wrapped hypermodels: what is rewritten, what stays, what is refused."""

import keras
import keras_tuner
import numpy as np
import pytest
from keras import layers

from kcomponents._keras.models import compile_arguments, is_plain
from kcomponents.initializers import recommended_for
from kcomponents.layers import Maxout, PReLU
from kcomponents.tuning._space_walk import explore, values_with
from kcomponents.tuning.hypermodels.wrappers import Regularized, WithActivation

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def sequential(hidden="relu", **kwargs):
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, hidden, **kwargs),
            layers.Dense(8, hidden, **kwargs),
            layers.Dense(3, "softmax"),
        ]
    )


def rewritten(model, activation, **kwargs):
    """Return a model with that hidden activation, children at their defaults."""
    found = WithActivation(lambda hp: model, [activation], **kwargs)
    return found.build(keras_tuner.HyperParameters())


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def names(model):
    """Return what each layer applies."""
    return [
        getattr(getattr(la, "activation", None), "__name__", type(la).__name__)
        for la in model.layers
    ]


# What is replaced


def test_hidden_activations_are_replaced_and_the_last_is_kept():
    model = rewritten(sequential(), "tanh")
    assert names(model) == ["tanh", "tanh", "softmax"]
    assert model(X).shape == (6, 3)


def test_a_layer_takes_a_place_of_its_own_with_weights_of_its_own():
    model = rewritten(sequential(), "prelu")
    assert kinds(model) == ["Dense", "PReLU", "Dense", "PReLU", "Dense"]
    assert names(model)[0] == "linear"
    assert model.layers[1] is not model.layers[3]
    assert len(model.trainable_weights) == 8


def test_activations_that_are_layers_are_replaced_where_they_stand():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(8, "relu"),
            layers.Dropout(0.5),
            layers.Dense(3),
            layers.Softmax(),
        ]
    )
    found = rewritten(model, "prelu")
    expected = ["Dense", "BatchNormalization", "PReLU", "Dense", "PReLU", "Dropout"]
    assert kinds(found) == [*expected, "Dense", "Softmax"]


def test_kernels_start_as_suits_the_new_activation_unless_they_are_special():
    model = rewritten(sequential(), "selu")
    expected = recommended_for("selu").get_config()
    found = [layer.kernel_initializer.get_config() for layer in model.layers]
    assert found[:2] == [expected] * 2 and found[2] != expected
    model = rewritten(sequential(kernel_initializer="orthogonal"), "selu")
    assert isinstance(model.layers[0].kernel_initializer, keras.initializers.Orthogonal)


def test_the_linear_layer_before_an_activation_is_initialized_for_it():
    stack = [layers.Dense(8), layers.LayerNormalization(), layers.Activation("relu")]
    model = keras.Sequential([keras.Input((4,)), *stack, layers.Dense(3)])
    found = rewritten(model, "selu").layers[0].kernel_initializer.get_config()
    assert found == recommended_for("selu").get_config()


def test_what_is_behind_the_last_kernel_belongs_to_the_output():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, "relu"),
            layers.Dense(4, "sigmoid"),
            layers.Reshape((2, 2)),
        ]
    )
    assert names(rewritten(model, "tanh"))[:2] == ["tanh", "sigmoid"]


def branches():
    inputs = keras.Input((4,))
    x = layers.Dense(8, "relu", name="first")(inputs)
    side = layers.Dense(8, "relu", name="side")(x)
    x = layers.Activation("relu", name="sum")(layers.add([x, side]))
    gate = layers.Dense(8, "sigmoid", name="gate")(x)
    outputs = layers.Dense(1, "sigmoid", name="label")(layers.multiply([x, gate]))
    return keras.Model(inputs, {"label": outputs, "number": layers.Dense(1)(x)})


@pytest.mark.parametrize("activation", ["tanh", "prelu"])
def test_a_functional_model_keeps_its_graph(activation):
    model = rewritten(branches(), activation)
    told = dict(zip((la.name for la in model.layers), names(model), strict=True))
    # A gate is no hidden activation.
    assert told["gate"] == told["label"] == "sigmoid"
    assert set(model(X)) == {"label", "number"}
    assert sum(name in ("tanh", "PReLU") for name in names(model)) == 3


def test_layers_named_for_it_keep_their_activation():
    model = rewritten(branches(), "tanh", exclude=["^side$", "sum"])
    assert names(model).count("tanh") == 1 and names(model).count("relu") == 2


def test_models_within_a_model_are_rewritten_and_frozen_ones_are_not():
    def nested(trainable):
        inner = sequential()
        inner.trainable = trainable
        return keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])

    inner = rewritten(nested(True), "tanh").layers[0]
    # Its softmax is no output of the whole; but a softmax is never replaced.
    assert names(inner) == ["tanh", "tanh", "softmax"]
    with pytest.raises(ValueError, match="no hidden activation"):
        rewritten(nested(False), "tanh")


def test_the_end_of_a_model_within_a_model_is_hidden():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu")])
    model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])
    assert names(rewritten(model, "tanh").layers[0]) == ["tanh"]
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu"), inner])
    found = rewritten(model, "tanh")
    assert names(found)[0] == "tanh" and names(found.layers[1]) == ["relu"]


def test_what_does_not_change_keeps_its_state():
    scale = layers.Normalization()
    scale.adapt(X * 3 + 1)
    stack = [scale, layers.Dense(8, "relu"), layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *stack])
    found = rewritten(model, "maxout")
    scaled = keras.ops.convert_to_numpy(found.layers[0](X * 3 + 1))
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    last = keras.ops.convert_to_numpy(stack[-1].kernel)
    found = rewritten(model, "tanh")
    now = keras.ops.convert_to_numpy(found.layers[-1].kernel)
    np.testing.assert_array_equal(now, last)


def test_a_model_without_inputs_is_rewritten_too():
    stack = [layers.Dense(8, "relu"), layers.Dense(3, "softmax")]
    model = rewritten(keras.Sequential(stack), "prelu")
    assert not model.built and model(X).shape == (6, 3)
    assert kinds(model) == ["Dense", "PReLU", "Dense"]
    model = rewritten(keras.Sequential(stack), "maxout:4")
    assert model(X).shape == (6, 3) and model.layers[0].units == 16


# Maxout


@pytest.mark.parametrize("pieces", [2, 3, 4])
def test_a_maxout_model_keeps_its_number_of_weights(pieces):
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(32, 3, activation="relu")(inputs)
    x = layers.BatchNormalization()(layers.Conv2D(64, 3)(x))
    x = layers.Flatten()(layers.MaxPooling2D(4)(layers.ReLU()(x)))
    x = layers.Dense(64, "relu")(x)
    model = keras.Model(inputs, layers.Dense(10)(x))
    weights = model.count_params()
    found = rewritten(model, f"maxout:{pieces}")
    assert sum(isinstance(layer, Maxout) for layer in found.layers) == 3
    assert found.count_params() == pytest.approx(weights, rel=0.04)
    assert found(np.zeros((2, 12, 12, 3), "float32")).shape == (2, 10)


def test_a_maxout_that_changes_a_sum_is_refused():
    with pytest.raises(ValueError, match="maxout"):
        rewritten(branches(), "maxout")


def test_a_maxout_is_refused_where_widths_are_fixed():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu")])
    model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])
    with pytest.raises(ValueError, match="maxout"):
        rewritten(model, "maxout")
    stack = [layers.Dense(6, "relu"), layers.Reshape((2, 3)), layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *stack])
    with pytest.raises(ValueError, match="cannot be built with `maxout"):
        rewritten(model, "maxout:4")


# Compiling and training


def own_loss(y, predicted):
    return keras.ops.mean(keras.ops.abs(y - predicted), -1)


def test_it_is_compiled_with_the_same_objects():
    model = sequential()
    optimizer = keras.optimizers.SGD(0.5)
    model.compile(optimizer, own_loss, metrics=["mae"], run_eagerly=True)
    found = rewritten(model, "prelu")
    assert found.optimizer is optimizer and found.loss is own_loss
    assert found.run_eagerly
    told = found.evaluate(X, np.zeros((6, 3)), verbose=0, return_dict=True)
    assert {"loss", "mae"} <= told.keys()
    before = [np.copy(weight) for weight in found.get_weights()]
    found.train_on_batch(X, np.zeros((6, 3)))
    after = found.get_weights()
    changed = [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]
    assert any(changed)


def test_an_optimizer_that_knows_the_old_weights_is_made_anew():
    model = sequential()
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    found = rewritten(model, "prelu")
    found.train_on_batch(X, np.zeros((6, 3)))
    assert found.optimizer.momentum == 0.9


def test_slopes_and_biases_do_not_decay():
    model = sequential()
    model.compile(keras.optimizers.SGD(0.5, weight_decay=0.1), "mse")
    found = rewritten(model, "prelu")
    weights = found.trainable_variables
    before = [np.copy(weight) for weight in found.get_weights()]
    found.optimizer.apply([keras.ops.zeros(w.shape) for w in weights], weights)
    pairs = zip(weights, before, found.get_weights(), strict=True)
    changed = {w.path.split("/")[-1] for w, a, b in pairs if not np.array_equal(a, b)}
    assert changed == {"kernel"}


def test_the_private_keras_names_behind_it_are_there():
    model = sequential()
    assert compile_arguments(model) == {}
    model.compile("sgd", own_loss, metrics=["mae"])
    told = compile_arguments(model)
    assert told["loss"] is own_loss and told["metrics"] == ["mae"]
    assert is_plain(model) and is_plain(branches())

    class Own(keras.Model):
        pass

    assert not is_plain(Own())


# The hypermodel within


class Inner(keras_tuner.HyperModel):
    def declare_hyperparameters(self, hp):
        hp.Int("epochs", 1, 3)

    def build(self, hp):
        model = sequential()
        model.compile("sgd", "mse")
        return model

    def fit(self, hp, model, *args, **kwargs):
        return hp.get("epochs"), model, args, kwargs


def test_wrappers_are_nested_and_pass_on_what_the_inner_one_does():
    hypermodel = Regularized(WithActivation(Inner(), ["relu", "prelu"]), l1=None)
    space = explore(hypermodel)
    found = [parameter.name for parameter in space.space]
    own = ["activation", "activation/shared"]
    assert found == ["epochs", "regularizer", "regularizer/l2", *own]
    hp = keras_tuner.HyperParameters()
    wanted = {"activation": ["prelu"], "regularizer": ["l2"]}
    hp.values = values_with(space, wanted)
    model = hypermodel.build(hp)
    carrying = [w.path.split("/")[-1] for w in model.weights if w.regularizer]
    assert carrying == ["kernel"] * 3 and len(model.losses) == 3
    assert any(isinstance(layer, PReLU) for layer in model.layers)
    hp.Int("epochs", 1, 3)
    assert hypermodel.fit(hp, model, 1, verbose=0) == (1, model, (1,), {"verbose": 0})


def test_a_function_is_fitted_as_keras_does():
    def build(hp):
        model = sequential()
        model.compile("sgd", "mse")
        return model

    hypermodel = WithActivation(build, ["relu"])
    hp = keras_tuner.HyperParameters()
    model = hypermodel.build(hp)
    history = hypermodel.fit(hp, model, X, np.zeros((6, 3)), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2


def test_no_penalty_leaves_the_model_its_own():
    hypermodel = Regularized(lambda hp: sequential(kernel_regularizer="l2"))
    model = hypermodel.build(keras_tuner.HyperParameters())
    assert len(model.losses) == 2


# What is refused


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3, "relu")

    def call(self, x):
        return self.dense(x)


def test_a_subclassed_model_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"tuning\.activation"):
        rewritten(Subclassed(), "prelu")


def test_what_has_no_hidden_activation_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "relu")])
    with pytest.raises(ValueError, match="no hidden activation"):
        rewritten(model, "prelu")


def test_a_hypermodel_that_is_none_is_refused():
    for wrap in (WithActivation, Regularized):
        with pytest.raises(ValueError, match="hypermodel"):
            wrap("model")
    with pytest.raises(ValueError, match="choice"):
        WithActivation(Inner(), [])
    with pytest.raises(ValueError, match="choice"):
        Regularized(Inner(), None, None)
    hypermodel = Regularized(lambda hp: keras.Sequential([layers.Dense(3)]))
    with pytest.raises(ValueError, match="Input"):
        hypermodel.build(keras_tuner.HyperParameters())
