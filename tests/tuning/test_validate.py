"""validate: every value once, culprits by name, with data or without."""

import keras
import keras_tuner
import numpy as np
import pytest

from kcomponents.tuning._space_walk import explore
from kcomponents.tuning.validate import Cover, validate

pytestmark = pytest.mark.any_backend


def space(hp):
    kind = hp.Choice("kind", ["a", "b", "c"])
    with hp.conditional_scope("kind", ["b"]):
        hp.Choice("b/inner", [1, 2, 3])
        with hp.conditional_scope("b/inner", [3]):
            hp.Boolean("b/inner/deep")
    with hp.conditional_scope("kind", ["c"]):
        hp.Float("c/rate", 1e-3, 1.0, sampling="log", default=0.1)
    for place in range(hp.Int("layers", 1, 3)):
        hp.Choice(f"units_{place}", [4, 8])
    return kind


def model_of(units=3, loss="mse", **kwargs):
    layers = [keras.Input((4,)), keras.layers.Dense(units)]
    model = keras.Sequential(layers)
    model.compile("sgd", loss, **kwargs)
    return model


def test_every_value_is_tried_with_what_it_depends_on():
    tried = validate(space)
    found = {(name, value) for values in tried for name, value in values.items()}
    assert {("kind", kind) for kind in "abc"} <= found
    assert {("b/inner", 1), ("b/inner", 2), ("b/inner", 3)} <= found
    assert {("b/inner/deep", True), ("b/inner/deep", False)} <= found
    assert {("c/rate", 1e-3), ("c/rate", 0.1), ("c/rate", 1.0)} <= found
    # Registered only where there are as many layers, by a plain loop.
    assert {(f"units_{i}", size) for i in range(3) for size in (4, 8)} <= found
    assert all(values["b/inner"] == 3 for values in tried if "b/inner/deep" in values)
    assert tried[0] == {"kind": "a", "layers": 1, "units_0": 4}


def test_it_takes_far_fewer_models_than_all_combinations():
    hp = keras_tuner.HyperParameters()
    for place in range(10):
        hp.Choice(f"choice_{place}", [1, 2, 3])
    assert len(list(Cover(hp))) == 3


def test_a_function_without_choices_is_built_once():
    assert validate(lambda hp: model_of()) == [{}]


def test_the_message_names_the_culprits_alone():
    def build(hp):
        kind = hp.Choice("kind", ["relu", "maxout"])
        hp.Choice("innocent", [1, 2])
        if kind == "maxout":
            raise RuntimeError("no pieces")

    message = r"fails with \{'kind': 'maxout'\}: RuntimeError: no pieces"
    with pytest.raises(ValueError, match=message):
        validate(build)


def test_two_values_that_fail_together_are_both_named():
    def build(hp):
        if all([hp.Boolean("a"), hp.Boolean("b")]):
            raise RuntimeError("both")
        hp.Boolean("c")

    with pytest.raises(ValueError, match=r"\{'a': True, 'b': True\}"):
        validate(build)


def test_defaults_that_fail_are_told_whole():
    def build(hp):
        hp.Choice("kind", ["relu"])
        raise RuntimeError("always")

    with pytest.raises(ValueError, match=r"\{'kind': 'relu'\}: RuntimeError: always"):
        validate(build)


def test_a_model_that_builds_but_does_not_train_is_found():
    def build(hp):
        return model_of(units=hp.Choice("units", [3, 2]))

    x, y = np.zeros((9, 4), "float32"), np.zeros((9, 3), "float32")

    def strict(hp):
        model = build(hp)
        model.compile("sgd", lambda y, p: keras.ops.mean(keras.ops.matmul(y, p)))
        return model

    with pytest.raises(ValueError, match="fails with"):
        validate(strict, x, y[:, :2])
    assert len(validate(lambda hp: model_of(3), x, y)) == 1


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        lambda y, p: keras.ops.mean(keras.ops.square(y - p), -1),
    ],
)
def test_targets_are_made_up_to_suit_the_loss(loss):
    seen = []

    def build(hp):
        model = model_of(loss=loss)
        train = model.train_on_batch
        model.train_on_batch = lambda x, y: seen.append(y.shape) or train(x, y)
        return model

    validate(build)
    sparse = "sparse" in str(getattr(loss, "name", loss))
    assert seen == [(4,) if sparse else (4, 3)]


def test_targets_are_made_up_for_a_model_that_is_not_built():
    seen = []

    def build(hp):
        model = keras.Sequential([keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        train = model.train_on_batch
        model.train_on_batch = lambda x, y: seen.append(y.shape) or train(x, y)
        return model

    validate(build, np.zeros((3, 4), "float32"))
    assert seen == [(3, 2)]


def test_inputs_are_made_up_by_shape_and_type():
    def build(hp):
        words = keras.Input((None,), dtype="int32")
        numbers = keras.Input((2,))
        state = keras.layers.GlobalAveragePooling1D()(
            keras.layers.Embedding(5, 2)(words)
        )
        return keras.Model([words, numbers], keras.layers.add([state, numbers]))

    assert validate(build) == [{}]


def test_without_inputs_and_without_data_nothing_can_be_tried():
    def build(hp):
        model = keras.Sequential([keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(ValueError, match="Pass `x`"):
        validate(build)
    x, y = np.zeros((3, 4), "float32"), np.zeros((3, 2), "float32")
    assert validate(build, x, y) == [{}]


def test_a_hypermodel_that_is_none_is_refused():
    with pytest.raises(ValueError, match="hypermodel"):
        validate("build")


def test_the_space_is_left_as_it_was():
    hp = explore(space)
    before = hp.get_config()
    list(Cover(hp))
    assert hp.get_config() == before
