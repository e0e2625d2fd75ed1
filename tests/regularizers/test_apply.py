"""apply and report: regularizers of built models, selected by rules."""

import re

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.layers import MaxoutConv2D, MaxoutDense, PreActivationResidual, PReLU
from kcomponents.regularizers import L1, L2, GroupLasso, apply, report
from kcomponents.testing.common import saved_and_loaded

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 1)).astype("float32")


def sequential():
    hidden = [
        layers.Dense(5, name="hidden"),
        layers.BatchNormalization(),
        layers.PReLU(),
    ]
    parts = [keras.Input((4,)), *hidden, layers.Dense(1, name="last")]
    return keras.Sequential(parts, name="model")


def fit(model, **options):
    options = {"batch_size": 8, "shuffle": False, "verbose": 0} | options
    return model.fit(X, Y, **options).history["loss"]


def carried(model):
    return {row.path: row.regularizer for row in report(model) if row.regularizer}


def same_weights(model, other):
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    return all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in pairs)


def test_only_kernels_get_the_regularizer():
    model = sequential()
    paths = apply(model, L2(0.1))
    assert paths == ["model/hidden/kernel", "model/last/kernel"]
    assert carried(model) == dict.fromkeys(paths, "L2(l2=0.1)")
    expected = sum(0.1 * (w**2).sum() for w in model.get_weights() if w.ndim > 1)
    assert sum(map(float_of, model.losses)) == pytest.approx(expected, rel=1e-5)
    kernels = [model.get_layer(name).kernel for name in ("hidden", "last")]
    assert kernels[0].regularizer is not kernels[1].regularizer


def float_of(tensor):
    return float(keras.ops.convert_to_numpy(tensor))


def test_a_fitted_model_trains_as_one_compiled_with_the_penalty():
    model = sequential()
    model.compile(keras.optimizers.Adam(0.05), "mse")
    fit(model)
    model.evaluate(X, Y, verbose=0)
    plain = saved_and_loaded(model)
    state = [v.numpy().copy() for v in model.optimizer.variables]
    optimizer, metrics = model.optimizer, model.metrics
    apply(model, L2(0.5))
    assert model.optimizer is optimizer and model.metrics == metrics
    for before, after in zip(state, optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    # A loaded model is compiled anew, with the optimizer's state.
    compiled = saved_and_loaded(model)
    assert fit(model, epochs=2) == pytest.approx(fit(compiled, epochs=2), rel=1e-4)
    assert same_weights(model, compiled)
    fit(plain, epochs=2)
    assert not same_weights(model, plain)


def test_evaluate_and_train_on_batch_include_the_penalty():
    model = sequential()
    model.compile("sgd", "mse")
    fit(model)
    before = model.evaluate(X, Y, verbose=0)
    apply(model, L1(1.0))
    penalty = sum(np.abs(w).sum() for w in model.get_weights() if w.ndim > 1)
    after = model.evaluate(X, Y, verbose=0)
    assert after == pytest.approx(before + penalty, rel=1e-4)
    assert float(model.train_on_batch(X, Y)) > penalty


def test_none_removes_the_regularizer():
    model = sequential()
    model.compile("sgd", "mse")
    bare = model.evaluate(X, Y, verbose=0)
    apply(model, L2(0.1))
    assert model.evaluate(X, Y, verbose=0) > bare
    assert len(apply(model, None)) == 2
    assert model.losses == [] and carried(model) == {}
    assert model.get_layer("last").kernel_regularizer is None
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(bare, rel=1e-5)


def functional():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="inner")])
    shared = layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    x = shared(shared(inner(inputs)))
    return keras.Model(inputs, layers.Dense(1, name="last")(x))


def recurrent():
    stacked = layers.RNN([layers.GRUCell(2), layers.LSTMCell(2)], return_sequences=True)
    parts = [
        keras.Input((6, 3)),
        layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
        stacked,
        layers.TimeDistributed(layers.Dense(2)),
        layers.SimpleRNN(2),
    ]
    return keras.Sequential(parts)


def convolutional():
    parts = [
        keras.Input((8, 8, 2)),
        layers.SeparableConv2D(3, 3),
        layers.DepthwiseConv2D(3),
        layers.Conv2DTranspose(2, 3),
        layers.GroupNormalization(1),
    ]
    return keras.Sequential(parts)


def own():
    parts = [
        keras.Input((8, 8, 2)),
        MaxoutConv2D(3, 3),
        PReLU(),
        PreActivationResidual(4),
        layers.GlobalAveragePooling2D(),
        MaxoutDense(2),
    ]
    return keras.Sequential(parts)


def attentive():
    inputs = keras.Input((5, 4))
    x = layers.MultiHeadAttention(2, 2, kernel_regularizer="l1")(inputs, inputs)
    return keras.Model(inputs, layers.GroupQueryAttention(2, 2, 1)(x, x))


def wrapped():
    two_ways = layers.Bidirectional(
        layers.LSTM(2, return_sequences=True),
        backward_layer=layers.GRU(2, return_sequences=True, go_backwards=True),
    )
    chain = keras.Sequential([layers.Dense(3), layers.Dense(2)])
    cells = layers.StackedRNNCells([layers.GRUCell(2), layers.SimpleRNNCell(2)])
    parts = [
        keras.Input((6, 3)),
        two_ways,
        layers.TimeDistributed(chain),
        layers.SpectralNormalization(layers.EinsumDense("abc,cd->abd", (None, 3))),
        layers.RNN(cells, return_sequences=True),
        layers.SeparableConv1D(2, 2),
        layers.Pipeline([layers.Dense(2), layers.Dense(1)]),
    ]
    return keras.Sequential(parts)


def filming():
    parts = [keras.Input((3, 6, 6, 2)), layers.ConvLSTM2D(2, 2)]
    return keras.Sequential(parts)


MODELS = [(functional, 3), (recurrent, 11), (convolutional, 4), (own, 5)]
MODELS += [(attentive, 8), (wrapped, 15), (filming, 2)]


@pytest.mark.parametrize("make, count", MODELS)
def test_copies_and_files_keep_the_regularizer(make, count):
    model = make()
    paths = apply(model, GroupLasso(0.1))
    assert len(paths) == count == len(model.losses)
    assert paths.unsaved == []
    for copy in (keras.models.clone_model(model), saved_and_loaded(model)):
        assert len(copy.losses) == count
        found = [row.regularizer for row in report(copy)]
        assert found == [row.regularizer for row in report(model)]


@keras.saving.register_keras_serializable(package="kcomponents_tests")
class Scale(layers.Layer):
    """A layer whose weight has no argument for a regularizer."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], 2), name="w")

    def call(self, inputs):
        return inputs @ self.w


class Subclassed(keras.Model):
    """A model that holds its layers in a list and a dict."""

    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(3), {"embed": layers.Dense(1)}]

    def call(self, inputs):
        return self.parts[1]["embed"](self.parts[0](inputs))


@keras.saving.register_keras_serializable(package="kcomponents_tests")
class Block(layers.Layer):
    """A layer whose config does not describe the layer that it makes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(2)

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, inputs):
        return self.inner(inputs)


def unsaved():
    inputs = keras.Input((5, 4))
    x = layers.Dense(3, name="saved")(Block(name="block")(inputs))
    x = layers.AdditiveAttention(name="attention")([x, x])
    return keras.Model(inputs, Scale(name="scale")(x), name="model")


def test_weights_in_no_config_are_listed_and_named_in_a_warning():
    model = unsaved()
    expected = ["block/dense/kernel", "attention/scale", "scale/w"]
    include = ["kernels", "scale$"]
    with pytest.warns(UserWarning) as caught:
        paths = apply(model, L2(0.1), include=include)
    assert len(paths) == len(model.losses) == 4
    assert sorted(paths.unsaved) == sorted(expected)
    [text] = [str(warning.message) for warning in caught]
    assert "'block/dense/kernel' of the Block 'block'" in text
    assert "'attention/scale' of the AdditiveAttention 'attention'" in text
    assert "saved/kernel" not in text
    assert caught[0].filename == __file__
    for copy in (keras.models.clone_model(model), saved_and_loaded(model)):
        assert len(copy.losses) == 1


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, " and 1 more")])
def test_five_weights_in_no_config_are_named(count, more):
    stack = [Block(name=f"block_{place}") for place in range(count)]
    model = keras.Sequential([keras.Input((5, 4)), *stack])
    end = f"of the Block 'block_4'{more}. Call"
    with pytest.warns(UserWarning, match=re.escape(end)):
        apply(model, L2(0.1))


def test_a_regularizer_that_a_copy_has_again_is_named_in_a_warning():
    inputs = keras.Input((5, 4))
    layer = layers.MultiHeadAttention(2, 2, kernel_regularizer="l2", name="attention")
    model = keras.Model(inputs, layer(inputs, inputs))
    with pytest.warns(UserWarning, match="query/kernel' of the MultiHeadAttention"):
        paths = apply(model, None, include="query")
    assert paths.unsaved == ["attention/query/kernel"]
    assert len(model.losses) == 3 and len(keras.models.clone_model(model).losses) == 4


def test_part_of_a_layer_does_not_change_the_rest():
    block = PreActivationResidual(4)
    model = keras.Sequential([keras.Input((8, 8, 4)), block])
    first, second = (w for w in block.trainable_weights if w.name == "kernel")
    with pytest.warns(UserWarning, match="lose this change"):
        paths = apply(model, L2(0.1), include=first)
    assert paths.unsaved == paths == [first.path]
    assert block.kernel_regularizer is None and second.regularizer is None


def test_a_subclassed_model_trains_with_the_penalty():
    model = Subclassed()
    model.compile("sgd", "mse")
    fit(model)
    with pytest.warns(UserWarning, match="kernel' of the Dense"):
        assert len(apply(model, L2(10.0))) == len(model.losses) == 2
    before = [np.abs(w).sum() for w in model.get_weights() if w.ndim > 1]
    fit(model)
    after = [np.abs(w).sum() for w in model.get_weights() if w.ndim > 1]
    assert np.less(after, before).all()


def test_a_frozen_layer_has_its_penalty_after_unfreezing():
    model = sequential()
    model.get_layer("hidden").trainable = False
    assert len(apply(model, L2(0.1))) == 2
    assert len(model.losses) == 1
    model.get_layer("hidden").trainable = True
    assert len(model.losses) == 2


def embedded():
    parts = [
        keras.Input((4,)),
        layers.Embedding(5, 3, name="embedding"),
        layers.Dense(2, name="dense"),
        layers.PReLU(name="prelu"),
    ]
    return keras.Sequential(parts, name="m")


@pytest.mark.parametrize(
    "include, expected",
    [
        ("kernels", ["m/dense/kernel"]),
        ("embeddings", ["m/embedding/embeddings"]),
        (["biases", "slopes"], ["m/dense/bias", "m/prelu/alpha"]),
        ("dense/", ["m/dense/kernel", "m/dense/bias"]),
        (re.compile("ker|alpha$"), ["m/dense/kernel", "m/prelu/alpha"]),
        (lambda weight: weight.shape[0] == 3, ["m/dense/kernel"]),
    ],
)
def test_include_takes_words_expressions_and_predicates(include, expected):
    assert apply(embedded(), L2(0.1), include=include) == expected


def test_layers_and_variables_are_included_and_excluded():
    model = embedded()
    dense = model.get_layer("dense")
    rules = [(dense, None), ("all", dense), (["all"], ["slopes", dense.bias])]
    found = [apply(model, L2(0.1), include=i, exclude=e) for i, e in rules]
    weights = ["m/embedding/embeddings", "m/dense/kernel"]
    assert found == [
        ["m/dense/kernel", "m/dense/bias"],
        ["m/embedding/embeddings", "m/prelu/alpha"],
        weights,
    ]


def test_other_ways_to_name_a_regularizer_work():
    model = sequential()
    apply(model, "l1")
    assert isinstance(model.get_layer("last").kernel_regularizer, keras.regularizers.L1)


def test_refuses_a_function_which_has_no_copies():
    model = sequential()
    with pytest.raises(ValueError, match="not a function. Received: regularizer="):
        apply(model, keras.ops.sum)
    assert not model.losses


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"include": "kernals"}, "'kernels'.*model/hidden/kernel"),
        ({"include": "conv"}, "matches no weight.*model/hidden/kernel"),
        ({"include": "zzzz"}, "Did you mean one of 'kernels', .*'all'"),
        ({"include": "embeddings"}, "No weight is selected.*model/hidden/kernel"),
        ({"include": ["kernels", "hiden"]}, "matches no weight"),
        ({"include": "("}, "regular expression"),
        ({"include": 3}, "must be a kind"),
        ({"include": None}, "must be a kind"),
        ({"include": lambda weight: False}, "No weight is selected"),
        ({"exclude": "hiden"}, "`exclude` matches no weight"),
        ({"exclude": layers.Dense(2)}, "`exclude` matches no weight"),
        ({"exclude": keras.Variable([1.0])}, "`exclude` matches no weight"),
        ({"exclude": "all"}, "No weight is selected"),
        ({"regularizer": 0.1}, "Could not interpret"),
    ],
)
def test_rejects_rules_that_match_nothing_and_changes_nothing(arguments, message):
    model = sequential()
    with pytest.raises(ValueError, match=message):
        apply(model, **{"regularizer": L2(0.1), **arguments})
    assert carried(model) == {} and model.get_layer("last").kernel_regularizer is None


@pytest.mark.parametrize("function", [report, lambda model: apply(model, L2(0.1))])
@pytest.mark.parametrize("model", [keras.Sequential([layers.Dense(2)]), "model", None])
def test_rejects_a_model_that_is_not_built(function, model):
    with pytest.raises(ValueError, match="`model` must be"):
        function(model)


def test_report_lists_every_weight_and_prints_a_table():
    model = sequential()
    apply(model, L2(0.1), exclude="last")
    rows = report(model)
    assert [(row.kind, row.shape) for row in rows] == [
        ("kernels", (4, 5)),
        ("biases", (5,)),
        ("normalization", (5,)),
        ("normalization", (5,)),
        ("slopes", (5,)),
        ("kernels", (5, 1)),
        ("biases", (1,)),
    ]
    lines = str(rows).splitlines()
    assert lines[0].split() == ["path", "kind", "shape", "trainable", "regularizer"]
    assert re.search(r"^model/hidden/kernel +kernels +\(4, 5\) +True +L2", lines[1])
