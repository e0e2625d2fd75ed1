"""Which layers are watched, under which paths, and how to select them."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.layers import Maxout, MaxoutConv2D, MaxoutDense, PReLU, RReLU
from kcomponents.probes.layer_walk import named_layers, select, watched_layers


def watched(*stack, shape=(4,)):
    model = keras.Sequential([keras.Input(shape), *stack], name="model")
    return watched_layers(model)


def activations(*stack, shape=(4,)):
    return [w.activation for w in watched(*stack, shape=shape)]


def my_own(x):
    return x


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        ("relu", "relu"),
        (None, "linear"),
        ("swish", "silu"),
        (keras.activations.hard_sigmoid, "hard_sigmoid"),
        (my_own, "my_own"),
        (lambda x: x, "custom"),
        (functools.partial(keras.activations.elu, alpha=0.5), "custom"),
        (layers.LeakyReLU(), "leaky_relu"),
    ],
)
def test_an_activation_has_the_name_of_its_function(activation, name):
    assert activations(layers.Dense(2, activation)) == [name]
    assert activations(layers.Activation(activation)) == [name]


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.ReLU(), "relu"),
        (layers.ReLU(max_value=6), "relu"),
        (layers.ReLU(negative_slope=0.1), "leaky_relu"),
        (layers.LeakyReLU(), "leaky_relu"),
        (layers.ELU(), "elu"),
        (layers.PReLU(), "prelu"),
        (layers.Softmax(), "softmax"),
        (PReLU(), "prelu"),
        (RReLU(), "rrelu"),
        (type("MyRReLU", (RReLU,), {})(), "rrelu"),
        (Maxout(2), "maxout"),
        (MaxoutDense(2), "maxout"),
        (layers.EinsumDense("ab,bc->ac", 3, "tanh"), "tanh"),
    ],
)
def test_an_activation_layer_has_the_name_of_its_function(layer, name):
    [found] = watched(layer)
    assert found == (f"model/{layer.name}", layer, name, -1)


@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose", "SeparableConv2D"])
def test_convolutions_have_their_units_on_the_axis_of_channels(kind):
    for data_format, axis in (("channels_last", -1), ("channels_first", 1)):
        convolution = getattr(layers, kind)
        layer = convolution(2, 3, data_format=data_format, activation="relu")
        model = model_of(layer)
        assert [(w.activation, w.axis) for w in watched_layers(model)] == [
            ("relu", axis)
        ]


def model_of(*stack):
    """Return a model that is not built, for backends without some convolutions."""
    return keras.Sequential(list(stack))


def test_an_activation_has_its_units_where_the_layer_before_has_them():
    conv = layers.Conv2D(2, 3, data_format="channels_first")
    bare = layers.BatchNormalization(axis=1), layers.ReLU()
    end = layers.Flatten(), layers.Dense(2), layers.ReLU()
    model = model_of(conv, *bare, *end, Maxout(2, axis=2), layers.Softmax(axis=1))
    assert [w.axis for w in watched_layers(model)] == [1, 1, -1, -1, 2, 1]


def test_an_operation_has_its_units_where_the_layer_before_has_them():
    inputs = keras.Input((2, 8, 8))
    conv = layers.Conv2D(2, 3, data_format="channels_first")(inputs)
    model = keras.Model(inputs, keras.ops.relu(conv))
    assert [(w.activation, w.axis) for w in watched_layers(model)] == [
        ("linear", 1),
        ("relu", 1),
    ]


def test_our_own_layers_say_where_their_units_are():
    first = {"data_format": "channels_first"}
    model = model_of(MaxoutConv2D(2, 3, **first), PReLU(data_format="channels_last"))
    assert [w.axis for w in watched_layers(model)] == [1, -1]


def test_a_layer_as_activation_is_part_of_the_dense_layer():
    dense = layers.Dense(2, activation=PReLU())
    assert [(w.layer, w.activation) for w in watched(dense)] == [(dense, "prelu")]


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda: layers.LSTM(2), "lstm"),
        (lambda: layers.GRU(2), "gru"),
        (lambda: layers.SimpleRNN(2, activation="relu"), "relu"),
        (lambda: layers.RNN(layers.SimpleRNNCell(2)), "tanh"),
        (lambda: layers.RNN([layers.SimpleRNNCell(2), layers.GRUCell(2)]), "gru"),
        (lambda: layers.RNN(OtherCell(2)), "othercell"),
        (lambda: layers.Bidirectional(layers.LSTM(2)), "lstm"),
        (lambda: layers.TimeDistributed(layers.Dense(2, "elu")), "elu"),
        (lambda: layers.TimeDistributed(small()), "tanh"),
    ],
)
def test_what_runs_in_a_scan_is_watched_from_outside(layer, name):
    layer = layer()
    [found] = watched(layer, shape=(3, 4))
    assert found == (f"model/{layer.name}", layer, name, -1)


class OtherCell(layers.Layer):
    """Keeps its inputs for its state."""

    def __init__(self, units):
        super().__init__()
        self.state_size = self.output_size = units

    def call(self, inputs, states):
        state = inputs[:, : self.state_size]
        return state, [state]


def small():
    return keras.Sequential([layers.Dense(2, "relu"), layers.Dense(2, "tanh")])


def test_a_wrapper_whose_last_layer_has_no_activation_is_not_watched():
    inner = keras.Sequential([layers.Dense(2, "relu"), layers.Dropout(0.1)])
    assert watched(layers.TimeDistributed(inner), shape=(3, 4)) == []


def test_a_layer_that_also_runs_in_a_scan_is_not_watched():
    dense = layers.Dense(4, "relu")
    found = watched(layers.TimeDistributed(dense), dense, shape=(3, 4))
    assert [w.path for w in found] == ["model/time_distributed"]


def test_scans_shift_the_axis_of_channels():
    first = {"data_format": "channels_first"}
    conv = layers.TimeDistributed(layers.Conv2D(2, 3, **first))
    full = layers.ConvLSTM2D(2, 3, return_sequences=True, **first)
    found = watched_layers(model_of(conv, full, layers.ConvLSTM2D(2, 3, **first)))
    assert [(w.activation, w.axis) for w in found] == [
        ("linear", 2),
        ("lstm", 2),
        ("lstm", 1),
    ]


class Block(layers.Layer):
    """Holds layers in a list and a dict, and one in itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.activation = "relu"
        self.many = [layers.Dense(4, "relu", name="a"), layers.ReLU(name="b")]
        self.named = {"x": layers.ELU(name="b")}

    def call(self, x):
        return self.named["x"](self.many[1](self.many[0](x)))


class Model(keras.Model):
    """Holds a block, a model and a layer that it calls twice."""

    def __init__(self):
        super().__init__(name="top")
        self.block = Block(name="block")
        self.inner = keras.Sequential([layers.Dense(4, "tanh", name="d")], name="inner")
        self.again = self.shared = layers.Dense(4, "selu", name="s")

    def call(self, x):
        return self.again(self.inner(self.shared(self.block(x))))


def test_a_model_made_of_classes_is_walked_in_order():
    model = Model()
    model(np.zeros((2, 4)))
    assert {w.path: w.activation for w in watched_layers(model)} == {
        "top/block/a": "relu",
        "top/block/b": "relu",
        "top/block/b_1": "elu",
        "top/inner/d": "tanh",
        "top/s": "selu",
    }


def test_a_functional_model_leaves_its_own_name_out_as_keras_does():
    inputs = keras.Input((4,))
    x = layers.Dense(4, "relu", name="d")(inputs)
    towers = []
    for name in ("left", "right"):
        entry = keras.Input((4,))
        outputs = layers.ReLU(name="r")(layers.Dense(4, "tanh", name="d")(entry))
        towers.append(keras.Model(entry, outputs, name=name)(x))
    stack = keras.Sequential([layers.Dense(2), layers.ReLU(name="r")], name="stack")
    model = keras.Model(inputs, [stack(layers.Add(name="sum")(towers))], name="top")
    paths = {w.path for w in watched_layers(model)}
    assert paths >= {"d", "left/d", "left/r", "right/d", "right/r", "stack/r"}
    assert len(paths) == 7


def test_paths_are_those_of_keras_where_there_are_any():
    model = Model()
    model(np.zeros((2, 4)))
    others = keras.Sequential([keras.Input((4,)), layers.Dense(2), small()])
    for named in (named_layers(model), named_layers(others)):
        mine = {path: layer.path for path, layer in named.items() if layer.path}
        assert len(mine) >= 4 and all(path == its for path, its in mine.items())


PATHS = ["model/first", "model/second", "model/block/first"]


@pytest.mark.parametrize(
    ("include", "chosen"),
    [
        (None, [0, 1, 2]),
        ("first$", [0, 2]),
        (["block", "second"], [1, 2]),
        (("model/f", "first"), [0, 2]),
    ],
)
def test_regular_expressions_choose_among_paths(include, chosen):
    assert select(dict.fromkeys(PATHS), include) == [PATHS[n] for n in chosen]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ([], "at least one.*layers=\\[\\]"),
        (3, "at least one.*layers=3"),
        (["first", None], "at least one"),
        ("(", "must be a valid regular expression: .*layers='\\('"),
        ("modul/first", "matches no path. Did you mean one of 'model/first'"),
        (["first", "xyz"], "'model/block/first'.*layers='xyz'"),
    ],
)
def test_refuses_what_chooses_nothing(include, message):
    with pytest.raises(ValueError, match=message):
        select(PATHS, include)


def test_the_refusal_names_the_argument():
    with pytest.raises(ValueError, match="`include` matches no path. Received"):
        select([], "kernel", name="include")
