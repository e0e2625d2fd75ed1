"""`structure` is plain, complete, and the same before and after training."""

import json
import types

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.layers import MaxoutDense
from kcomponents.optimizers import clipped
from kcomponents.probes.structure import structure


def facts(model):
    """Return the structure of a model, once through strict JSON."""
    found = structure(model)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def small(**compiled):
    dense = layers.Dense(2, "relu", kernel_regularizer=keras.regularizers.L2(0.5))
    stack = [dense, layers.Dropout(0.25), layers.ReLU(name="end")]
    model = keras.Sequential([keras.Input((3,)), *stack], name="small")
    if compiled:
        model.compile(**compiled)
    return model


def test_layers_are_described():
    _, dense, dropout, end = facts(small())["layers"]
    assert dense["path"].startswith("small/dense") and dense["class"] == "Dense"
    assert dense["activation"] == "relu" and dense["units"] == 2 and dense["use_bias"]
    assert dense["output_shape"] == [None, 2] and dense["parameters"] == 8
    assert dense["kernel_regularizer"] == {"class": "L2", "config": {"l2": 0.5}}
    assert dense["kernel_initializer"]["class"] == "GlorotUniform"
    assert dense["trainable"] is True
    assert dropout["rate"] == 0.25 and dropout["activation"] is None
    assert end["path"] == "small/end" and "units" not in end


def test_the_model_and_its_variables_are_described():
    model = small()
    model.layers[0].trainable = False
    found = facts(model)
    assert found["model"] == {"name": "small", "class": "Sequential"}
    assert found["backend"] == keras.backend.backend()
    assert found["precision"] == "float32"
    path, shape = model.weights[0].path, [3, 2]
    plain = {"path": path, "shape": shape, "trainable": False, "dtype": "float32"}
    assert found["variables"][0] == plain and len(found["variables"]) == 2


def functional():
    inputs = [keras.Input((3,), name="a"), keras.Input((4, 3), name="b")]
    pooled = layers.GlobalMaxPooling1D()(
        layers.LSTM(2, return_sequences=True)(inputs[1])
    )
    x = layers.Concatenate()([small()(inputs[0]), pooled])
    outputs = {"u": layers.Dense(1, name="u")(x), "v": MaxoutDense(5, name="v")(x)}
    return keras.Model(inputs, outputs)


class Subclassed(keras.Model):
    """Holds a layer under the name of a setting, and one that splits."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.dropout = layers.Dropout(0.5)
        self.block = small()
        self.many = [layers.Dense(4), layers.SpectralNormalization(layers.Dense(2))]

    def call(self, x):
        for layer in self.many:
            x = layer(x)
        return self.dropout(x)


def subclassed():
    model = Subclassed()
    model(np.zeros((2, 3)))
    return model


def mixed():
    inputs = keras.Input((2, 2, 1))
    conv = layers.Conv2D(4, 2, dtype="mixed_bfloat16")
    return keras.Model(inputs, layers.BatchNormalization()(conv(inputs)))


@pytest.mark.parametrize("make", [small, functional, subclassed, mixed])
def test_every_parameter_is_counted_once(make):
    model = make()
    found = facts(model)
    assert sum(layer["parameters"] for layer in found["layers"]) == model.count_params()
    assert len(found["variables"]) == len(model.weights)
    paths = [layer["path"] for layer in found["layers"]]
    assert len(set(paths)) == len(paths) == len(list(model._flatten_layers())) - 1


def test_shapes_of_several_outputs_keep_their_structure():
    inputs = keras.Input((4, 3))
    outputs = layers.LSTM(2, return_state=True, name="lstm")(inputs)
    found = facts(keras.Model(inputs, outputs))["layers"]
    shapes = {layer["path"]: layer["output_shape"] for layer in found}
    assert shapes["lstm"] == [[None, 2]] * 3 and shapes["lstm/lstm_cell"] is None


def test_an_operation_that_is_an_activation_is_listed_with_the_layers():
    inputs = keras.Input((4,))
    hidden = keras.ops.relu(layers.Dense(3, name="hidden")(inputs) * 2.0)
    found = facts(keras.Model(inputs, layers.Dense(1, name="last")(hidden)))["layers"]
    listed = [(layer["path"], layer["activation"]) for layer in found[1:]]
    assert listed == [("hidden", "linear"), ("relu", "relu"), ("last", "linear")]
    assert found[2]["class"] == "Relu" and found[2]["output_shape"] == [None, 3]
    assert found[2]["parameters"] == 0


def test_a_model_that_is_not_compiled_has_no_optimizer_and_no_loss():
    found = facts(small())
    names = "optimizer", "loss", "run_eagerly", "jit_compile", "steps_per_execution"
    assert [found[name] for name in names] == [None] * 5
    assert found["metrics"] == [] and found["gradient_accumulation_steps"] is None


def test_names_and_objects_compile_to_the_same_facts():
    named = facts(small(optimizer="adam", loss="mse", jit_compile=False))
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=2)
    loss = keras.losses.MeanSquaredError()
    made = facts(small(optimizer=optimizer, loss=loss, jit_compile=False))
    assert (
        named["loss"] == made["loss"] and named["loss"]["class"] == "MeanSquaredError"
    )
    for found in (named, made):
        assert found["optimizer"]["class"] == "Adam"
        assert found["optimizer"]["config"]["learning_rate"] == 0.001
        assert found["optimizer"]["loss_scale"] is False
        assert found["optimizer"]["clip"] == {}
        assert found["jit_compile"] is False and found["steps_per_execution"] == 1
    assert made["gradient_accumulation_steps"] == 2


def test_the_current_learning_rate_is_shown_even_if_it_is_not_finite():
    model = small(optimizer=keras.optimizers.SGD(0.1))
    model.optimizer.learning_rate = 0.025
    assert facts(model)["optimizer"]["config"]["learning_rate"] == 0.025
    model.optimizer.learning_rate = float("nan")
    assert facts(model)["optimizer"]["config"]["learning_rate"] == "nan"


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """Has no config, as many of users' schedules."""

    def __call__(self, step):
        return 0.5**step


def test_schedules_stand_as_class_and_config():
    schedule = keras.optimizers.schedules.CosineDecay(0.5, 10)
    for optimizer in (
        keras.optimizers.SGD(schedule),
        clipped(keras.optimizers.SGD(schedule), clipnorm=1.0),
    ):
        found = facts(small(optimizer=optimizer))["optimizer"]
        rate = found["config"]["learning_rate"]
        assert found["class"] == "SGD" and rate["class"] == "CosineDecay"
        assert rate["config"]["initial_learning_rate"] == 0.5
    found = facts(small(optimizer=keras.optimizers.SGD(Halving())))["optimizer"]
    assert found["config"]["learning_rate"] == {"class": "Halving", "config": {}}
    found = facts(small(optimizer=keras.optimizers.SGD(lambda: 0.1)))["optimizer"]
    assert found["config"]["learning_rate"] == "custom:<lambda>"


def test_clipping_is_shown_whoever_does_it():
    keras_own = keras.optimizers.SGD(global_clipnorm=2.0)
    found = facts(small(optimizer=keras_own))["optimizer"]
    assert found["clip"] == {"global_clipnorm": 2.0}
    ours = clipped(keras.optimizers.SGD(), clipnorm=1.0, agc=0.01)
    found = facts(small(optimizer=ours))["optimizer"]
    assert found["clip"] == {"clipnorm": 1.0, "agc": 0.01}


def test_the_optimizer_inside_loss_scaling_is_described():
    inner = keras.optimizers.RMSprop(clipnorm=1.0, gradient_accumulation_steps=4)
    found = facts(small(optimizer=keras.optimizers.LossScaleOptimizer(inner)))
    assert found["optimizer"]["class"] == "RMSprop"
    assert found["optimizer"]["loss_scale"] is True
    assert found["optimizer"]["clip"] == {"clipnorm": 1.0}
    assert found["gradient_accumulation_steps"] == 4


def loss_of(loss):
    return facts(small(optimizer="sgd", loss=loss))["loss"]


def test_losses_say_whether_they_take_logits():
    assert loss_of("bce")["config"]["from_logits"] is False
    assert loss_of(keras.losses.binary_crossentropy)["class"] == "BinaryCrossentropy"
    found = loss_of(keras.losses.BinaryCrossentropy(from_logits=True, name="mine"))
    assert found["name"] == "mine" and found["config"]["from_logits"] is True
    found = loss_of({"a": "mse", "b": None})
    assert found["a"]["name"] == "mean_squared_error" and found["b"] is None
    assert loss_of("crossentropy")["name"] == "crossentropy"


def test_every_loss_function_of_keras_has_its_class():
    functions = {
        function
        for name, function in vars(keras.losses).items()
        if isinstance(function, types.FunctionType)
        and name not in ("get", "serialize", "deserialize")
    }
    assert len(functions) > 15
    for function in functions:
        name = loss_of(function)["class"].lower()
        assert name == function.__name__.replace("_", "")


def mean_squared_error(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred))


class Own(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return y_pred


def test_losses_of_the_user_are_named():
    assert loss_of(mean_squared_error) == "custom:mean_squared_error"
    assert loss_of(lambda a, b: b) == "custom:<lambda>"
    assert loss_of([Own(name="own")])[0]["class"] == "Own"


def test_metrics_are_named_before_and_after_the_first_step():
    metrics = ["accuracy", keras.metrics.AUC(name="auc"), mean_squared_error]
    model = small(
        optimizer="sgd", loss="bce", metrics=metrics, weighted_metrics=["mae"]
    )
    names = ["accuracy", "auc", "mean_squared_error", "mae"]
    assert facts(model)["metrics"] == names
    model.evaluate(np.zeros((2, 3)), np.zeros((2, 2)), verbose=0)
    assert facts(model)["metrics"] == names


def test_looking_changes_nothing():
    model = small()
    before = dict(vars(model))
    structure(model)
    assert vars(model) == before


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (keras.Sequential([layers.Dense(2)], name="early"), "build.*model='early'"),
        (Subclassed(), "model.build\\(input_shape\\).*model='subclassed'"),
        (layers.Dense(2), "must be a Keras model"),
        ("model.keras", "must be a Keras model.*model='model.keras'"),
    ],
)
def test_refuses_what_has_no_structure(model, message):
    with pytest.raises(ValueError, match=message):
        structure(model)


def test_refuses_a_model_that_only_claims_to_be_built():
    class Empty(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def build(self, input_shape):
            pass

    model = Empty()
    model.build((2, 3))
    with pytest.raises(ValueError, match="must be built"):
        structure(model)
