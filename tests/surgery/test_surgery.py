"""prune and revive: the outputs on the data stay the same."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.layers import PReLU
from kcomponents.surgery import _units, prune, revive
from tests.backend_cases import once

RANDOM = np.random.default_rng(0)


def data(*shape):
    return RANDOM.normal(size=(70, *shape)).astype("float32")


def kill(layer, units, value=-99.0):
    """Let rectifiers never fire, by their biases."""
    bias = np.array(layer.bias.numpy())
    bias[units] = value
    layer.bias.assign(bias)


def dense(**options):
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, "relu", name="one", **options),
            layers.Dense(6, "relu", name="two"),
            layers.Dense(2, name="last"),
        ]
    )


def images(*between, flatten=True, padding="same"):
    ends = [layers.Flatten()] if flatten else [layers.GlobalAveragePooling2D()]
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(6, 3, padding=padding, name="one"),
            *between,
            layers.Conv2D(5, 3, padding=padding, activation="relu", name="two"),
            *ends,
            layers.Dropout(0.5),
            layers.Dense(3, name="last"),
        ]
    )


def same(one, other, x, tolerance=1e-5):
    before, after = (model.predict(x, verbose=0) for model in (one, other))
    np.testing.assert_allclose(after, before, rtol=0, atol=tolerance)


def sizes(model):
    return {
        layer.name: layer.kernel.shape[-1]
        for layer in model.layers
        if hasattr(layer, "kernel")
    }


def test_units_that_never_fire_are_removed():
    model, x = dense(), data(5)
    kill(model.get_layer("one"), [0, 3, 7])
    kill(model.get_layer("two"), [5])
    small = prune(model, x)
    assert sizes(small) == {"one": 5, "two": 5, "last": 2}
    same(model, small, x)
    assert sizes(model) == {"one": 8, "two": 6, "last": 2}


def test_without_a_tolerance_units_that_never_fire_are_removed():
    one, last = layers.Dense(8, "relu", name="one"), layers.Dense(2, use_bias=False)
    model, x = keras.Sequential([keras.Input((5,)), one, last]), data(5)
    kill(one, [0, 3, 7])
    small = prune(model, x, tolerance=0)
    assert sizes(small)["one"] == 5
    same(model, small, x)


def test_without_a_tolerance_the_next_bias_takes_the_place_of_a_constant_unit():
    model, x = dense(), data(5)
    first = model.get_layer("one")
    kernel = np.array(first.kernel.numpy())
    kernel[:, 2] = 0.0
    first.kernel.assign(kernel)
    first.bias.assign(np.eye(8)[2])
    small = prune(model, x, tolerance=0)
    assert sizes(small)["one"] == 7
    same(model, small, x)


@pytest.mark.parametrize("row", [0, 31, 32, 69])
def test_a_unit_that_fires_for_one_sample_stays(row):
    model, x = dense(), data(5)
    first = model.get_layer("one")
    kernel = np.array(first.kernel.numpy())
    kernel[:, :2] = 1.0, -1.0
    first.kernel.assign(kernel)
    kill(first, [0, 1])
    x[row] = 50.0
    small = prune(model, x, batch_size=32)
    assert sizes(small)["one"] == 7
    same(model, small, x, tolerance=1e-3)


def test_units_with_zero_outgoing_weights_are_removed():
    model, x = dense(), data(5)
    kernel = np.array(model.get_layer("two").kernel.numpy())
    kernel[[1, 2]] = 1e-9
    model.get_layer("two").kernel.assign(kernel)
    small = prune(model, x)
    assert sizes(small)["one"] == 6
    same(model, small, x)
    assert sizes(prune(model, x, tolerance=0))["one"] == 8


def test_constant_outputs_move_into_the_next_bias():
    model, x = dense(), data(5)
    one = model.get_layer("one")
    kernel = np.array(one.kernel.numpy())
    kernel[:, [2, 4]] = 0
    one.kernel.assign(kernel)
    kill(one, [2, 4], 3.0)
    small = prune(model, x)
    assert sizes(small)["one"] == 6
    same(model, small, x)


BETWEEN = {
    "relu": lambda: [layers.ReLU()],
    "normalized": lambda: [layers.BatchNormalization(), layers.Activation("relu")],
    "learned": lambda: [layers.PReLU(shared_axes=[1, 2]), layers.MaxPooling2D()],
    "ours": lambda: [PReLU(0.0), layers.AveragePooling2D(2)],
}


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("flatten", [True, *once(False)])
def test_filters_are_removed_from_all_layers_on_their_path(between, flatten):
    model, x = images(*BETWEEN[between](), flatten=flatten), data(8, 8, 2)
    kill(model.get_layer("one"), [1, 2])
    if between == "learned":
        # Negative slopes of 0: a rectifier.
        for layer in model.layers:
            if isinstance(layer, layers.PReLU):
                layer.alpha.assign(np.zeros(layer.alpha.shape))
    kill(model.get_layer("two"), [0, 4])
    small = prune(model, x, batch_size=16)
    assert sizes(small) == {"one": 4, "two": 3, "last": 3}
    same(model, small, x)


@pytest.mark.parametrize("padding, left", [("same", 6), ("valid", 5)])
def test_constant_filters_stay_before_a_padded_convolution(padding, left):
    model, x = images(layers.ReLU(), padding=padding), data(8, 8, 2)
    one = model.get_layer("one")
    kernel = np.array(one.kernel.numpy())
    kernel[..., 0] = 0
    one.kernel.assign(kernel)
    kill(one, [0], 2.0)
    small = prune(model, x)
    assert sizes(small)["one"] == left
    same(model, small, x)


def test_a_filter_may_have_another_constant_at_each_position():
    inputs = keras.Input((4, 3))
    hidden = layers.Conv1D(4, 1, activation="relu", name="one")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="last")(layers.Flatten()(hidden)))
    x = np.tile(RANDOM.normal(size=(1, 4, 3)).astype("float32"), (20, 1, 1))
    small = prune(model, x)
    # The same input always: the same is said always, at each place its own.
    assert sizes(small)["one"] == 1
    same(model, small, x)


def test_units_of_sequences_are_removed_if_idle_at_all_steps():
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            layers.Dense(6, "relu", name="one"),
            layers.Dense(2, name="last"),
        ]
    )
    kill(model.get_layer("one"), [5])
    x = data(4, 3)
    small = prune(model, x)
    assert sizes(small)["one"] == 5
    same(model, small, x)


def functional():
    """Two branches take the units of one; those that are added up must stay."""
    inputs = keras.Input((5,), name="x")
    one = layers.Dense(8, "relu", name="one")(inputs)
    left = layers.Dense(4, "relu", name="left")(one)
    right = layers.Dense(4, "relu", name="right")(one)
    added = layers.Add()([left, right])
    last = layers.Dense(2, name="last")(added)
    return keras.Model(inputs, [last, layers.Softmax(name="shares")(added)])


def test_units_that_a_layer_combines_stay():
    model, x = functional(), data(5)
    kill(model.get_layer("one"), [0, 1])
    kill(model.get_layer("left"), [0])
    small = prune(model, x)
    assert sizes(small) == {"one": 6, "left": 4, "right": 4, "last": 2}
    for before, after in zip(
        model.predict(x, verbose=0), small.predict(x, verbose=0), strict=True
    ):
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-5)


def shared():
    inputs = keras.Input((5,))
    layer = layers.Dense(5, "relu", name="one")
    return keras.Model(inputs, layers.Dense(2)(layer(layer(inputs))))


def nested():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(3)])
    inputs = keras.Input((5,))
    return keras.Model(inputs, inner(layers.Dense(8, "relu", name="one")(inputs)))


def softmaxed():
    ends = layers.Dense(8, "softmax", name="one"), layers.Dense(2)
    return keras.Sequential([keras.Input((5,)), *ends])


@pytest.mark.parametrize("make", [shared, nested, softmaxed])
def test_units_that_cannot_be_separated_stay(make):
    model, x = make(), data(5)
    kill(model.get_layer("one"), [0])
    small = prune(model, x)
    assert sizes(small)["one"] == sizes(model)["one"]
    same(model, small, x)
    assert revive(model, x) == {}


def test_at_least_one_unit_stays():
    model, x = dense(), data(5)
    kill(model.get_layer("one"), list(range(8)))
    small = prune(model, x)
    # What never changes says nothing either: all behind it is one unit too.
    assert sizes(small) == {"one": 1, "two": 1, "last": 2}
    same(model, small, x)


def test_the_small_model_trains_on_and_is_saved(tmp_path):
    model, x = dense(), data(5)
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    model.get_layer("two").trainable = False
    kill(model.get_layer("one"), [0, 1])
    small = prune(model, x)
    assert float(small.optimizer.learning_rate.numpy()) == pytest.approx(0.02)
    assert len(small.trainable_weights) == len(model.trainable_weights)
    before = small.evaluate(x, x[:, :2], verbose=0, return_dict=True)
    assert before == pytest.approx(
        model.evaluate(x, x[:, :2], verbose=0, return_dict=True), rel=1e-4
    )
    small.fit(x, x[:, :2], epochs=3, verbose=0)
    assert small.evaluate(x, x[:, :2], verbose=0)[0] < before["loss"]
    small.save(tmp_path / "small.keras")
    same(small, keras.saving.load_model(tmp_path / "small.keras"), x)


def own_loss(y, z):
    return keras.ops.mean(keras.ops.square(y - z))


@pytest.mark.parametrize("loss", [own_loss, lambda y, z: own_loss(y, z)])
@pytest.mark.parametrize("make", [dense, functional])
def test_a_model_with_a_custom_loss_can_be_pruned(make, loss):
    model, x = make(), data(5)
    model.compile("sgd", loss)
    kill(model.get_layer("one"), [0])
    assert sizes(prune(model, x))["one"] == 7


@pytest.mark.parametrize("form", ["batches", "tuples"])
def test_data_can_be_an_iterable_of_batches(form):
    model, x = dense(), data(5)
    kill(model.get_layer("one"), [0])
    batches = np.split(x, 7)
    found = batches if form == "batches" else [(b, b[:, :1]) for b in batches]
    assert sizes(prune(model, iter(found)))["one"] == 7


def test_several_inputs_are_batched_together():
    inputs = [keras.Input((5,)), keras.Input((2,))]
    both = layers.Concatenate()(inputs)
    hidden = layers.Dense(4, "relu", name="one")(both)
    model, x = keras.Model(inputs, layers.Dense(1)(hidden)), [data(5), data(2)]
    kill(model.get_layer("one"), [2])
    small = prune(model, x, batch_size=9)
    assert sizes(small)["one"] == 3
    same(model, small, x)


@pytest.mark.parametrize("make", [dense, lambda: images(*BETWEEN["normalized"]())])
def test_revived_units_keep_the_outputs_and_learn(make):
    model = make()
    x = data(*model.input_shape[1:])
    one, units = model.get_layer("one"), [0, 3]
    kill(one, units)
    old, kernel = model.predict(x, verbose=0), np.array(one.kernel.numpy())
    found = revive(model, x, seed=1)
    assert found == {"one": units}
    np.testing.assert_allclose(model.predict(x, verbose=0), old, rtol=0, atol=1e-5)
    changed = np.any(one.kernel.numpy() != kernel, axis=tuple(range(kernel.ndim - 1)))
    assert np.flatnonzero(changed).tolist() == units
    assert one.bias.numpy()[units].tolist() == [0, 0]
    # They fire now, and training gets to them.
    outgoing = model.get_layer("two").kernel
    assert not np.any(outgoing.numpy()[..., units, :])
    model.compile("adam", "mse")
    model.fit(x, np.ones((len(x), *model.output_shape[1:])), verbose=0)
    assert np.all(np.any(outgoing.numpy()[..., units, :] != 0, axis=-1))
    assert revive(model, x) == {}


def test_consecutive_dead_layers_are_revived_together():
    hidden = [layers.Dense(8, "relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((5,)), *hidden, layers.Dense(2)])
    kill(hidden[0], range(8))
    x = data(5)
    before = model.predict(x, verbose=0)
    found = revive(model, x, seed=0)
    assert list(found.values()) == [list(range(8))] * 3
    np.testing.assert_allclose(model.predict(x, verbose=0), before, atol=1e-6)
    look = keras.Model(model.inputs[0], [layer.output for layer in hidden])
    assert all(np.any(outputs > 0) for outputs in look.predict(x, verbose=0))


def test_a_seed_repeats_the_revived_weights():
    starts = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(0)
        model = dense()
        kill(model.get_layer("one"), [0])
        revive(model, data(5), seed=seed)
        starts.append(model.get_layer("one").kernel.numpy())
    assert np.array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[0], starts[2])


def test_constant_outputs_of_saturated_units_move_into_the_bias():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, "sigmoid", name="one"),
            layers.Dense(2, name="two"),
        ]
    )
    x = data(5)
    kill(model.get_layer("one"), [2], 200.0)
    before = model.predict(x, verbose=0)
    assert revive(model, x) == {"one": [2]}
    np.testing.assert_allclose(model.predict(x, verbose=0), before, rtol=0, atol=1e-5)


class Own(keras.Model):
    """Has no graph."""

    def __init__(self):
        super().__init__()
        self.layer = layers.Dense(2)

    def call(self, x):
        return self.layer(x)


@pytest.mark.parametrize("operate", [prune, revive])
def test_rejects_models_without_a_graph_and_wrong_arguments(operate):
    own = Own()
    own(np.zeros((1, 5), "float32"))
    with pytest.raises(
        ValueError, match="`Sequential` or functional.*Received: model="
    ):
        operate(own, data(5))
    with pytest.raises(ValueError, match="must be a built"):
        operate(keras.Sequential([layers.Dense(2)]), data(5))
    with pytest.raises(ValueError, match="at least one sample"):
        operate(dense(), [])
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        operate(dense(), data(5), batch_size=0)


def test_rejects_a_tolerance_below_zero():
    with pytest.raises(ValueError, match="`tolerance` must be.*Received: tolerance=-1"):
        prune(dense(), data(5), tolerance=-1)


def test_what_measures_units_is_compiled_once_and_released_with_the_model():
    hidden = keras.layers.Dense(4, "relu")
    model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])
    x = np.ones((8, 3), "float32")
    revive(model, x)
    measuring = _units._hidden_models[model]
    hidden.bias.assign([-99.0] * 4)
    assert len(revive(model, x)[hidden.name]) == 4
    assert _units._hidden_models[model] is measuring
    gone = weakref.ref(model)
    del model, measuring
    gc.collect()
    assert gone() is None
