"""A forward pass gives what the model gives, and facts of its layers on the way."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import _backends
from kcomponents._recording import forward_pass
from kcomponents._recording.forward_pass import ForwardPass, layers_with_weights

layers = keras.layers
X = np.random.default_rng(5).normal(2.0, 3.0, (16, 4)).astype("float32")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = layers.Dense(3, "relu", name="first")
        self.last = layers.Dense(2, name="last")

    def call(self, x):
        return self.last(self.first(x))


def built(kind):
    """Return a model of two dense layers, named `first` and `last`."""
    stack = [layers.Dense(3, "relu", name="first"), layers.Dense(2, name="last")]
    if kind == "Sequential":
        return keras.Sequential([keras.Input((4,)), *stack])
    if kind == "Subclassed":
        model = Subclassed()
        model(X)
        return model
    inputs = keras.Input((4,))
    if kind == "Nested":
        inner = keras.Sequential([keras.Input((4,)), stack[0]], name="inner")
        return keras.Model(inputs, stack[1](inner(inputs)))
    return keras.Model(inputs, stack[1](stack[0](inputs)))


@pytest.mark.parametrize("kind", ["Sequential", "Functional", "Subclassed", "Nested"])
def test_outputs_are_those_of_the_model_and_layers_are_measured(kind):
    model = built(kind)
    forward = ForwardPass(model)
    outputs, masks = forward.run(X)
    expected = ops.convert_to_numpy(model(X))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    assert masks == [None]
    first, last = forward.layers.values()
    assert [path.split("/")[-1] for path in forward.layers] == ["first", "last"]
    assert first["class"] == "Dense" and first["shape"] == [4]
    assert first["input_dim"] is None and last["shape"] == [3]


def test_facts_of_the_first_input_are_those_of_numpy():
    forward = ForwardPass(built("Sequential"))
    forward.run(X)
    found = next(iter(forward.layers.values()))
    expected = {
        "mean": X.mean(),
        "std": X.std(),
        "min": X.min(),
        "max": X.max(),
        "spread": X.std(0).mean(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4)


def test_wide_inputs_are_measured_on_some_samples_and_ids_on_all(monkeypatch):
    monkeypatch.setattr(forward_pass, "ELEMENTS", 8)
    monkeypatch.setattr(forward_pass, "SAMPLES", 3)
    forward = ForwardPass(built("Sequential"))
    forward.run(X)
    found = next(iter(forward.layers.values()))
    assert found["max"] == pytest.approx(X[:3].max())
    ids = np.arange(10).reshape(10, 1)
    stack = [layers.Embedding(10, 2), layers.Flatten()]
    embedded = ForwardPass(keras.Sequential([keras.Input((1,), dtype="int32"), *stack]))
    embedded.run(ids)
    [found] = embedded.layers.values()
    assert (found["min"], found["max"]) == (0.0, 9.0)


def test_a_layer_is_measured_after_what_rescales_its_input():
    stack = [layers.Rescaling(0.01, offset=1.0), layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *stack])
    forward = ForwardPass(model)
    forward.run(X)
    [found] = forward.layers.values()
    assert found["mean"] == pytest.approx(X.mean() / 100 + 1, rel=1e-4)
    assert found["std"] == pytest.approx(X.std() / 100, rel=1e-3)


def test_facts_are_of_the_first_run_and_outputs_of_each():
    model = built("Functional")
    forward = ForwardPass(model)
    for x in (X, 2 * X, X[:5]):
        outputs, _ = forward.run(x)
        found = next(iter(forward.layers.values()))
        assert found["max"] == pytest.approx(X.max()) and len(outputs) == len(x)
    for layer in model.layers[1:]:
        layer.kernel.assign(layer.kernel.value * 0)
    outputs, _ = forward.run(X)
    assert not outputs.any()


class Counting(layers.Dense):
    """Notes of how many samples each call in Python is."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = []

    def call(self, x):
        self.seen.append(x.shape[0])
        return super().call(x)


@pytest.mark.parametrize("count", [17, 32, 40])
def test_more_samples_than_in_the_first_run_are_compiled_no_more(count):
    layer = Counting(2)
    model = keras.Sequential([keras.Input((4,)), layers.Masking(), layer])
    layer.seen.clear()
    forward = ForwardPass(model)
    forward.run(X)
    many = np.random.default_rng(1).normal(size=(count, 4)).astype("float32")
    outputs, masks = forward.run(many)
    expected = np.asarray(ops.convert_to_numpy(model(many)))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    if _backends.carries_state:
        # The last call is that of the test.
        assert layer.seen == [16, count]


def test_outputs_that_are_not_one_for_each_sample_come_from_all_at_once():
    inputs = keras.Input((4,))
    means = layers.Lambda(lambda x: ops.mean(x, axis=0, keepdims=True))(inputs)
    forward = ForwardPass(keras.Model(inputs, means))
    forward.run(X[:8])
    outputs, _ = forward.run(X)
    np.testing.assert_allclose(outputs, X.mean(0, keepdims=True), rtol=1e-5)


def test_a_shared_layer_has_the_facts_of_its_first_call():
    inputs, shared = keras.Input((4,)), layers.Dense(4)
    model = keras.Model(inputs, shared(shared(inputs)))
    forward = ForwardPass(model)
    forward.run(X)
    [found] = forward.layers.values()
    assert found["max"] == pytest.approx(X.max())


def test_masks_come_with_the_outputs():
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    stack = [layers.Embedding(5, 3, mask_zero=True), layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,), dtype="int32"), *stack])
    outputs, [mask] = ForwardPass(model).run(ids)
    np.testing.assert_array_equal(mask, ids > 0)
    assert outputs.shape == (2, 4, 2)


def test_outputs_keep_their_structure():
    inputs = keras.Input((4,))
    made = {"a": layers.Dense(2)(inputs), "b": layers.Dense(1)(inputs)}
    outputs, masks = ForwardPass(keras.Model(inputs, made)).run(X)
    assert outputs["a"].shape == (16, 2) and outputs["b"].shape == (16, 1)
    assert masks == [None, None]


def test_ids_out_of_range_are_found_even_if_the_call_fails():
    model = keras.Sequential(
        [keras.Input((3,), dtype="int32"), layers.Embedding(5, 2), layers.Flatten()]
    )
    forward = ForwardPass(model)
    ids = np.array([[0, 1, 2], [3, 4, 900]])
    try:
        forward.run(ids)
    except Exception as error:
        assert keras.backend.backend() != "jax", error
    [found] = forward.layers.values()
    assert (found["input_dim"], found["min"], found["max"]) == (5, 0.0, 900.0)


def test_a_recurrent_layer_counts_once_and_without_its_cell():
    stack = [
        layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both"),
        layers.GRU(3, name="gru"),
        layers.Dense(1, name="last"),
    ]
    model = keras.Sequential([keras.Input((5, 2)), *stack])
    assert [layer.name for layer in layers_with_weights(model).values()] == [
        "both",
        "gru",
        "last",
    ]
    forward = ForwardPass(model)
    forward.run(np.ones((4, 5, 2), "float32"))
    facts = forward.layers.values()
    assert [found["class"] for found in facts] == ["Bidirectional", "GRU", "Dense"]
    assert [found["shape"] for found in facts] == [[5, 2], [5, 4], [3]]


def test_layers_without_a_kernel_are_left_out():
    stack = [
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Dense(1, name="a"),
    ]
    model = keras.Sequential([keras.Input((4,)), *stack])
    assert [layer.name for layer in layers_with_weights(model).values()] == ["a"]


class WithLoss(layers.Layer):
    def call(self, x):
        self.add_loss(ops.mean(x))
        return x


def test_added_losses_are_counted():
    inputs = keras.Input((4,))
    x = WithLoss()(layers.Dense(2)(WithLoss()(inputs)))
    forward = ForwardPass(keras.Model(inputs, x))
    for _ in range(2):
        forward.run(X)
        assert forward.added_losses == 2
    plain = ForwardPass(built("Functional"))
    plain.run(X)
    assert plain.added_losses == 0


def test_a_forward_pass_changes_nothing():
    stack = [
        layers.Dense(3),
        layers.BatchNormalization(),
        layers.GaussianNoise(1.0),
        layers.Dropout(0.5),
        layers.Dense(1),
    ]
    model = keras.Sequential([keras.Input((4,)), *stack])
    before = [ops.convert_to_numpy(v.value).copy() for v in model.variables]
    keras.utils.set_random_seed(7)
    expected = ops.convert_to_numpy(keras.random.normal((3,)))
    keras.utils.set_random_seed(7)
    state = np.random.get_state()[1].copy()
    first, _ = ForwardPass(model).run(X)
    assert (np.random.get_state()[1] == state).all()
    np.testing.assert_array_equal(keras.random.normal((3,)), expected)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable.value), value)
    for layer in model.layers:
        assert "call" not in vars(layer) and "add_loss" not in vars(layer)
    np.testing.assert_array_equal(ForwardPass(model).run(X)[0], first)


def test_a_model_that_fails_is_left_as_it_was():
    model = built("Sequential")
    forward = ForwardPass(model)
    with pytest.raises(Exception, match="(?i)shape|dim|incompatible|size"):
        forward.run(np.ones((4, 7), "float32"))
    for layer in model.layers:
        assert "call" not in vars(layer)
    assert forward.run(X)[0].shape == (16, 2)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="XLA is optional on TensorFlow only"
)
def test_operations_that_only_xla_has_are_compiled_if_the_fit_compiles_them():
    import tensorflow as tf

    class Fused(layers.Dense):
        def call(self, x):
            if tf.executing_eagerly():
                raise tf.errors.UnimplementedError(None, None, "only in XLA")
            return super().call(x)

    model = keras.Sequential([keras.Input((4,)), Fused(2)])
    model.compile("sgd", "mse", jit_compile=False)
    with pytest.raises(tf.errors.UnimplementedError):
        ForwardPass(model).run(X)
    model.compile("sgd", "mse", jit_compile=True)
    forward = ForwardPass(model)
    outputs, _ = forward.run(X)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(outputs, X @ kernel + bias, rtol=1e-5, atol=1e-5)
    assert next(iter(forward.layers.values()))["shape"] == [4]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has such graphs"
)
def test_one_graph_serves_any_number_of_samples():
    calls = []

    class Counted(layers.Dense):
        def call(self, x):
            calls.append(x.shape[0])
            return super().call(x)

    model = keras.Sequential([keras.Input((4,)), Counted(2)])
    model.compile("sgd", "mse")
    forward = ForwardPass(model, often=True)
    calls.clear()
    for count in (16, 5, 1, 16):
        outputs, _ = forward.run(X[:count])
        kernel, bias = model.get_weights()
        np.testing.assert_allclose(outputs, X[:count] @ kernel + bias, 1e-5, 1e-5)
    assert calls == [None]


class Branches(keras.Model):
    """Two branches, of which one has an activation that is no layer."""

    def __init__(self):
        super().__init__()
        self.a, self.b = layers.Dense(3, name="a"), layers.Dense(3, name="b")
        self.drop, self.last = layers.Dropout(0.5), layers.Dense(1)

    def call(self, inputs):
        left, right = self.drop(self.a(inputs)), ops.relu(self.b(inputs))
        return self.last(left) + self.last(right)


def names_of(paths):
    return [path.split("/")[-1] for path in paths]


def test_the_layers_that_made_an_input_are_known():
    parts = layers.Dense(4, name="c"), layers.LayerNormalization(name="scale")
    inner, inputs = keras.Sequential(parts), keras.Input((4,))
    x = layers.Dense(4, name="a")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    nested = inner(layers.Dense(4, name="b")(x))
    joined = layers.Add(name="add")([x, nested])
    outputs = layers.Dense(1, name="d")(nested), layers.Dense(1, name="e")(joined)
    forward = ForwardPass(keras.Model(inputs, outputs))
    forward.run(X)
    found = forward.layers.items()
    assert {path.split("/")[-1]: names_of(facts["after"]) for path, facts in found} == {
        "a": [],
        "b": ["a", "norm"],
        "c": ["b"],
        "d": ["c", "scale"],
        "e": ["add"],
    }


def test_the_layers_that_made_an_input_of_a_subclass_are_known():
    model = Branches()
    model(X)
    forward = ForwardPass(model)
    forward.run(X)
    # In inference, the dropout gives back its input.
    found = [names_of(facts["after"]) for facts in forward.layers.values()]
    assert found == [[], [], ["a"]]
