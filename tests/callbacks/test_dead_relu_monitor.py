"""DeadReLUMonitor finds exactly the units that never fired, and separates NaN."""

import copy

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents import layers as ours
from kcomponents.callbacks import DeadReLUMonitor
from kcomponents.record import Record
from kcomponents.testing import check_callback
from tests.callbacks.watching import BATCH, apart, by_name, fit, frozen, replay
from tests.probes.models import SAMPLES, normal

# Every other unit can hardly fire.
BIASES = [0.5, -4.0]
RELUS = {
    "sequential": {"first"},
    "functional": {"convolution", "reader"},
    "nested": {"first", "inner_first"},
    "shared": {"twice"},
    "subclassed": {"hidden_0", "hidden_1"},
    "time_distributed": {"each"},
    "activations": {"activation", "relu"},
    "twice": {"relu", "relu:2"},
    "custom_train_step": {"first"},
}


def silent(outputs, threshold=0.0):
    return np.flatnonzero(~(outputs > threshold).any(axis=0)).tolist()


def check_equals_replay(name, epochs=1, threshold=0.0, **settings):
    monitor = DeadReLUMonitor(threshold=threshold, per_layer=True, **settings)
    logs = fit(*apart(name, BIASES), monitor, epochs=epochs)
    outputs = replay(*apart(name, BIASES), epochs=epochs)
    assert by_name(monitor.dead_units).keys() == RELUS[name]
    for site, units in monitor.dead_units.items():
        dead = [silent(found, threshold) for found in outputs[site]]
        assert units == dead[-1]
        size = outputs[site][0].shape[1]
        shares = [len(units) / size for units in dead]
        assert logs[f"dead_relu/{site}"] == pytest.approx(shares, abs=1e-9)
    assert any(monitor.dead_units.values())
    assert not any(monitor.nan_units.values())
    return monitor


@pytest.mark.parametrize("name", RELUS)
def test_equals_what_outputs_show_in(name):
    check_equals_replay(name)


def test_fires_above_the_threshold():
    at_zero = check_equals_replay("sequential")
    above = check_equals_replay("sequential", threshold=2.5)
    assert len(*above.dead_units.values()) > len(*at_zero.dead_units.values())


def test_readings_within_the_epoch_join_to_the_same():
    record = Record()
    monitor = check_equals_replay("twice", epochs=2, every=3, record=record)
    # 8 steps: after 3 and at the end of the epoch, then after 6 and at the end.
    assert [reading.step for reading in monitor.readings] == [3, 4, 6, 8]
    assert record.readings == monitor.readings


RECTIFIERS = {
    "relu": layers.Activation(keras.activations.relu),
    "relu6": layers.Activation("relu6"),
    "bounded": layers.ReLU(max_value=1.0),
    "leaky_relu": layers.Activation("leaky_relu"),
    "slope": layers.ReLU(negative_slope=0.1),
    "prelu": layers.PReLU(trainable=False),
    "our_prelu": ours.PReLU(trainable=False),
    "rrelu": ours.RReLU(),
    "elu": layers.ELU(),
    "selu": layers.Activation("selu"),
    "celu": layers.Activation("celu"),
}
OTHERS = ["gelu", "silu", "softplus", "tanh", "linear"]


def named(known):
    """Return fresh layers of these names."""
    configs = {name: {**la.get_config(), "name": name} for name, la in known.items()}
    return [type(known[name]).from_config(c) for name, c in configs.items()]


def test_knows_rectifiers_of_all_kinds():
    *data, before = frozen(6, *named(RECTIFIERS), biases=BIASES)
    monitor = DeadReLUMonitor()
    fit(*data, monitor)
    expected = silent(before)
    assert 0 < len(expected) < 6
    assert by_name(monitor.dead_units) == dict.fromkeys(RECTIFIERS, expected)


OPERATIONS = {
    "relu": keras.ops.relu,
    "relu6": keras.ops.relu6,
    "re_lu": lambda h: keras.activations.relu(h, max_value=5.0),
    "maximum": lambda h: keras.ops.maximum(h, 0),
    "maximum_1": lambda h: keras.ops.maximum(0.0, h),
    "clip": lambda h: keras.ops.clip(h, 0, 9),
    "leaky_relu": keras.ops.leaky_relu,
    "elu": keras.activations.elu,
}
NO_RECTIFIERS = [
    lambda h: keras.ops.maximum(h, 1.0),
    lambda h: keras.ops.maximum(h, -h),
    lambda h: keras.ops.clip(h, -1, 1),
    keras.ops.tanh,
]


def test_knows_operations_in_the_graph():
    functions = [*OPERATIONS.values(), *NO_RECTIFIERS]
    *data, before = frozen(6, *functions, biases=BIASES)
    monitor, seen = DeadReLUMonitor(), DeadReLUMonitor(data[1])
    data[0].fit(*data[1:], verbose=0, callbacks=[monitor, seen])
    expected = silent(before)
    assert 0 < len(expected) < 6
    assert by_name(monitor.dead_units) == dict.fromkeys(OPERATIONS, expected)
    assert seen.dead_units == monitor.dead_units
    covered = [op.name for op in data[0].operations if "call" in vars(op)]
    assert covered == []


def test_an_operation_has_a_place_for_each_call_of_its_model():
    inputs, entry = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(entry, keras.ops.relu(entry), name="inner")
    outputs = layers.Dense(1)(inner(-inner(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", jit_compile=False)
    monitor = DeadReLUMonitor()
    fit(model, np.ones((8, 4), "float32"), normal(1), monitor)
    assert monitor.dead_units == {"inner/relu": [], "inner/relu:2": [0, 1, 2, 3]}


def recurrent(*stack):
    model = keras.Sequential([keras.Input((2, 3)), *stack, layers.Dense(1)], name="m")
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.ones((2, 2, 3), "float32")
    return model, x, x[:, 0, :1]


@pytest.mark.parametrize("kind", [layers.GRU, layers.LSTM])
def test_says_that_it_does_not_see_into_a_recurrent_layer(kind):
    before = layers.Dense(3, "relu", name="before")
    model, *data = recurrent(before, kind(2, activation="relu", name="r"))
    monitor = DeadReLUMonitor()
    lacks = r"Not monitored: m/r \(relu in a loop over steps\)."
    with pytest.warns(UserWarning, match=lacks) as seen:
        fit(model, *data, monitor, epochs=2)
    assert [w.category for w in seen].count(UserWarning) == 1
    assert list(monitor.dead_units) == ["m/before"]
    assert monitor.report.splitlines()[-1] == lacks.replace("\\", "")
    fit(model, *data, DeadReLUMonitor(layers="before"))


def test_watches_a_simple_rnn_at_its_outputs():
    rnn = layers.SimpleRNN(2, activation="relu", bias_initializer="ones", name="rnn")
    model, *data = recurrent(rnn)
    rnn.cell.bias.assign([9.0, -99.0])
    monitor = DeadReLUMonitor()
    fit(model, *data, monitor)
    assert monitor.dead_units == {"m/rnn": [1]}


def test_names_functions_that_it_does_not_know():
    after = layers.Activation(lambda x: keras.ops.relu(x), name="mine")
    model, x, y, _ = frozen(4, after, layers.ReLU(name="relu"))
    monitor = DeadReLUMonitor()
    fit(model, x, y, monitor)
    assert monitor.report.endswith("\nNot monitored: mine (unknown function).")
    model, x, y, _ = frozen(4, after)
    nothing = r"No rectifier is monitored. Not monitored: mine \(unknown function\)."
    with pytest.warns(UserWarning, match=nothing):
        fit(model, x, y, DeadReLUMonitor())


def test_logs_the_share_of_all_units_and_of_the_worst_layer():
    inputs = keras.Input((3,))
    small = layers.Dense(2, "relu", name="small", trainable=False)
    large = layers.Dense(6, "relu", name="large", trainable=False)
    both = layers.Concatenate()([small(inputs), large(inputs)])
    model = keras.Model(inputs, layers.Dense(1)(both))
    small.bias.assign([-99.0, 9.0])
    large.bias.assign([99.0] * 5 + [-99.0])
    model.compile("sgd", "mse", jit_compile=False)
    logs = fit(model, normal(3), normal(1), DeadReLUMonitor())
    assert list(logs) == ["loss", "dead_relu", "dead_relu_max"]
    assert logs["dead_relu"] == [2 / 8] and logs["dead_relu_max"] == [1 / 2]
    logs = fit(model, normal(3), normal(1), DeadReLUMonitor(per_layer=True))
    assert logs["dead_relu/small"] == [1 / 2] and logs["dead_relu/large"] == [1 / 6]


@pytest.mark.parametrize("biases", [(-99.0, -99.0), (-99.0, 99.0), (np.nan, 99.0)])
def test_prints_only_layers_with_dead_units(biases, capsys):
    fine, dead = layers.ReLU(name="fine"), layers.Dense(2, "relu", name="dead")
    model, x, y, _ = frozen(4, fine, dead, biases=[9.0])
    dead.bias.assign(biases)
    # So that a NaN stays in its unit.
    dead.trainable = False
    model.compile("sgd", "mse", jit_compile=False)
    monitor = DeadReLUMonitor(verbose=1)
    fit(model, x, y, monitor)
    _, row, others = capsys.readouterr().out.splitlines()
    assert row.startswith("dead ") and others == "1 other layer: every unit fired."
    assert "fine" in monitor.report
    fit(model, x, y, DeadReLUMonitor(layers="fine", verbose=1))
    assert capsys.readouterr().out == "1 layer: every unit fired.\n"


def test_shifted_relu_fires_above_its_own_threshold():
    relu = layers.ReLU(threshold=1.0)
    model, x, y, _ = frozen(3, relu, biases=[0.5, 2.0, -1.0])
    model.get_layer("first").kernel.assign(np.zeros((3, 3)))
    monitor = DeadReLUMonitor()
    fit(model, x, y, monitor)
    assert list(monitor.dead_units.values()) == [[0, 2]]


def test_is_silent_about_other_activations():
    *data, _ = frozen(6, *[layers.Activation(name) for name in OTHERS])
    monitor = DeadReLUMonitor()
    with pytest.warns(UserWarning, match="No rectifier is monitored.") as seen:
        logs = fit(*data, monitor, epochs=2)
    assert [w.category for w in seen].count(UserWarning) == 1
    assert list(logs) == ["loss"] and monitor.dead_units == {}
    assert monitor.report == "No rectifier is monitored."


MAXOUTS = {
    "contiguous": ({}, [0, 0, 1, 1, 2, 2]),
    "strided": ({"grouping": "strided"}, [0, 1, 2, 0, 1, 2]),
    "units": ({"num_units": 2}, [0, 0, 0, 1, 1, 1]),
    "unequal": ({"group_sizes": [1, 3, 2]}, [0, 1, 1, 1, 2, 2]),
    "zero": ({"min_zero": True}, [0, 0, 1, 1, 2, 2]),
}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_counts_pieces_that_never_win(policy):
    keras.config.set_dtype_policy(policy)
    # Far enough apart for what bfloat16 can tell.
    biases = [0.0, 9.0, -9.0, 3.0, -20.0, -30.0]
    pools = [ours.Maxout(**MAXOUTS[name][0], name=name) for name in MAXOUTS]
    *data, before = frozen(6, *pools, biases=biases)
    monitor = DeadReLUMonitor(warn_above=0)
    fit(*data, monitor)
    for name, units in by_name(monitor.dead_units).items():
        arguments, groups = MAXOUTS[name]
        least = 0.0 if arguments.get("min_zero") else -np.inf
        best = [before[:, np.equal(groups, g)].max(axis=1) for g in groups]
        wins = before.T >= np.maximum(best, least)
        assert units == np.flatnonzero(~wins.any(axis=1)).tolist() != []
    assert monitor.dead_units.keys() == {*MAXOUTS}
    assert "unit only" in monitor.report and "fewer pieces" in monitor.report


@pytest.mark.parametrize("grouping", ["contiguous", "strided"])
def test_counts_pieces_of_fused_layers(grouping):
    convolution = ours.MaxoutConv2D(3, 2, 2, grouping=grouping, name="convolution")
    dense = ours.MaxoutDense(4, 2, grouping=grouping, name="maxout")
    between = [convolution, layers.GlobalAveragePooling2D(), dense]
    model = keras.Sequential([keras.Input((5, 5, 2)), *between, layers.Dense(1)])
    for layer in between[::2]:
        layer.bias.assign(np.resize([9.0, 0.0, -9.0, 0.0, 0.0], layer.bias.shape))
        layer.trainable = False
    model.compile("sgd", "mse", jit_compile=False)
    x = normal(5, 5, 2)
    monitor = DeadReLUMonitor()
    fit(model, x, normal(1), monitor)
    for site, layer in zip(monitor.dead_units, between[::2], strict=True):
        pieces = keras.ops.convert_to_numpy(layer.linear(x))
        groups = pieces.reshape(-1, pieces.shape[-1])
        if grouping == "contiguous":
            groups = groups.reshape(len(groups), -1, 2)
            won = (groups == groups.max(axis=2, keepdims=True)).any(axis=0)
        else:
            groups = groups.reshape(len(groups), 2, -1)
            won = (groups == groups.max(axis=1, keepdims=True)).any(axis=0)
        assert monitor.dead_units[site] == np.flatnonzero(~won.ravel()).tolist() != []
        x = layers.GlobalAveragePooling2D()(layer(x)) if layer is convolution else x


def spoiled(rectifier, compiled):
    """Return a model whose first layer has one unit of NaN weights and one dead."""
    if rectifier == "inside":
        model, x, y, _ = frozen(4, biases=[1.0, 0.0, -50.0, 2.0])
        model.get_layer("first").activation = keras.activations.relu
    else:
        after = layers.Activation("relu", name="after")
        after = keras.ops.relu if rectifier == "operation" else after
        model, x, y, _ = frozen(4, after, biases=[1.0, 0.0, -50.0, 2.0])
    first = model.get_layer("first")
    kernel = np.array(first.kernel.numpy())
    kernel[0, 1] = np.nan
    kernel[:, [0, 3]] = 0.0
    first.kernel.assign(kernel)
    model.compile("sgd", "mse", jit_compile=compiled)
    return model, x, y


# With torch, compiling takes longer than it is worth.
COMPILED = [False] if keras.backend.backend() == "torch" else [False, True]


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("rectifier", ["inside", "after", "operation"])
def test_tells_nan_from_dead(rectifier, compiled):
    model, x, y = spoiled(rectifier, compiled)
    monitor = DeadReLUMonitor()
    logs = fit(model, x, y, monitor)
    [site] = monitor.dead_units
    assert monitor.nan_units == {site: [1]}
    assert monitor.dead_units == {site: [2]}
    assert logs["dead_relu"] == [0.25]
    assert "find the NaN weights with FiniteGuard" in monitor.report


def test_tells_nan_of_pieces():
    model, x, y, _ = frozen(4, ours.Maxout(2), biases=[0.0, -50.0])
    kernel = np.array(model.get_layer("first").kernel.numpy())
    kernel[0, 1] = np.nan
    model.get_layer("first").kernel.assign(kernel)
    monitor = DeadReLUMonitor()
    fit(model, x, y, monitor)
    assert list(monitor.nan_units.values()) == [[0, 1]]
    assert list(monitor.dead_units.values()) == [[3]]


def all_dead(**settings):
    model, x, y, _ = frozen(4, layers.ReLU(name="relu"), biases=[-50.0])
    return model, x, y, DeadReLUMonitor(**settings)


def test_is_quiet_unless_asked_and_names_the_remedy():
    *data, monitor = all_dead()
    fit(*data, monitor)
    assert "use HeNormal; use LeakyReLU or PReLU" in monitor.report


def test_warns_once_per_layer_and_fit():
    *data, monitor = all_dead(warn_above=0.9)
    for _ in range(2):
        message = r"Epoch 1: 100% of the units of '\S*relu' never fired.*HeNormal"
        with pytest.warns(UserWarning, match=message) as seen:
            fit(*data, monitor, epochs=3)
        assert [w.category for w in seen].count(UserWarning) == 1


def test_never_warns_of_units_that_still_learn():
    after = [layers.Activation("leaky_relu"), layers.Activation("elu")]
    model, x, y, _ = frozen(4, *after, biases=[-50.0])
    monitor = DeadReLUMonitor(warn_above=0.0)
    logs = fit(model, x, y, monitor)
    assert logs["dead_relu"] == logs["dead_relu_max"] == [1.0]
    assert "remedy" in monitor.report and "learning rate" not in monitor.report


def test_watches_an_output_and_has_a_remedy_of_its_own():
    dense = layers.Dense(2, "relu", name="first")
    model = keras.Sequential([keras.Input((3,)), dense])
    model.get_layer("first").bias.assign([-50.0, -50.0])
    model.compile("sgd", "mse")
    monitor = DeadReLUMonitor()
    fit(model, normal(3), normal(2), monitor)
    assert list(monitor.dead_units.values()) == [[0, 1]]
    assert "softplus or no activation for the output" in monitor.report


def test_prints_the_report_if_asked(capsys):
    *data, monitor = all_dead(verbose=1)
    fit(*data, monitor)
    assert capsys.readouterr().out == monitor.report + "\n"


def test_validation_does_not_count():
    model, x, y, _ = frozen(4, layers.ReLU(), biases=[0.0])
    model.get_layer("first").kernel.assign(np.ones((3, 4)))
    monitor = DeadReLUMonitor()
    fit(model, -np.abs(x), y, monitor, validation_data=(np.abs(x), y))
    assert list(monitor.dead_units.values()) == [[0, 1, 2, 3]]


def test_a_layer_that_training_does_not_call_is_not_dead():
    class Skipping(keras.Model):
        def __init__(self):
            super().__init__()
            self.always = keras.layers.Dense(4, "relu", name="always")
            self.last = keras.layers.ReLU(name="only_after_training")

        def call(self, x, training=False):
            return self.always(x) if training else self.last(self.always(x))

    model, monitor = Skipping(), DeadReLUMonitor(per_layer=True)
    x = np.ones((8, 3), "float32")
    model(x)
    model.compile("sgd", "mse")
    logs = model.fit(x, x[:, :1], verbose=0, callbacks=[monitor]).history
    [key] = [key for key in logs if key.startswith("dead_relu/")]
    assert key.endswith("always") and "only_after" not in monitor.report


def test_layers_chooses_by_path():
    monitor = DeadReLUMonitor(layers=["inner_f"])
    fit(*apart("nested", BIASES), monitor)
    assert [*by_name(monitor.dead_units)] == ["inner_first"]


@pytest.mark.parametrize("name", ["nested", "activations"])
def test_refuses_layers_that_match_nothing(name):
    model, x, y = apart(name, BIASES)
    with pytest.raises(ValueError, match="`layers` matches no path"):
        fit(model, x, y, DeadReLUMonitor(layers="tnah"))
    assert "call" not in vars(model)


class Rows(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    @property
    def num_batches(self):
        return 2

    def __getitem__(self, index):
        return tuple(array[index * 4 : index * 4 + 4] for array in self.arrays)


@pytest.mark.parametrize("name", ["sequential", "functional", "shared", "twice"])
def test_looks_at_data_with_the_weights_of_the_end_of_each_epoch(name):
    model, x, y = apart(name, BIASES)
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights())
    )
    # More rows than a batch, all equal to the 8 there are.
    data = keras.tree.map_structure(lambda a: np.concatenate([a] * 5), x)
    monitor = DeadReLUMonitor(data, per_layer=True)
    settings = {
        "batch_size": 2,
        "verbose": 0,
        "epochs": 2,
        "callbacks": [monitor, look],
    }
    logs = model.fit(x, y, **settings).history
    assert monitor.dead_units.keys()
    for epoch, weights in enumerate(seen):
        again = apart(name, BIASES)[0]
        again.set_weights(weights)
        again.optimizer.learning_rate = 0.0
        outputs = replay(again, x, y)
        for site in monitor.dead_units:
            dead = silent(outputs[site][0])
            share = len(dead) / outputs[site][0].shape[1]
            assert logs[f"dead_relu/{site}"][epoch] == pytest.approx(share)
            assert epoch == 0 or monitor.dead_units[site] == dead


def test_looks_at_datasets():
    found = []
    for wrap in (lambda x, y: x, lambda x, y: Rows(x, y), lambda x, y: Rows(x)):
        model, x, y = apart("sequential", BIASES)
        monitor = DeadReLUMonitor(wrap(x, y), every=2)
        fit(model, x, y, monitor, epochs=2)
        assert len(monitor.readings) == 4
        found.append(monitor.dead_units)
    assert found[0] == found[1] == found[2] and any(found[0].values())


def test_monitors_stand_side_by_side():
    model, x, y = apart("twice", BIASES)
    monitors = DeadReLUMonitor(x), DeadReLUMonitor(), DeadReLUMonitor(x, every=1)
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=monitors)
    alone = check_equals_replay("twice")
    assert monitors[0].dead_units == monitors[2].dead_units
    assert monitors[1].dead_units == alone.dead_units
    relu = model.get_layer("relu")
    assert not {"call", "train_step"} & (vars(model).keys() | vars(relu).keys())


def test_what_is_looked_at_leaves_training_as_it_is():
    def trained(*callbacks):
        keras.utils.set_random_seed(0)
        penalized = layers.Dense(6, "relu", activity_regularizer="l2")
        between = [penalized, ours.MCDropout(0.5), layers.BatchNormalization()]
        model = keras.Sequential([keras.Input((3,)), *between, layers.Dense(1)])
        model.compile("sgd", "mse", jit_compile=False)
        x, y = normal(3), normal(1)
        keras.utils.set_random_seed(1)
        history = model.fit(x, y, epochs=3, verbose=0, callbacks=list(callbacks))
        return model.get_weights(), history.history["loss"]

    weights, loss = trained(DeadReLUMonitor(normal(3)))
    plain, plain_loss = trained()
    assert loss == pytest.approx(plain_loss, rel=1e-6)
    for found, expected in zip(weights, plain, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("data", [None, np.ones((3, 3), "float32")])
def test_keeps_the_promises_of_a_callback(data):
    check_callback(lambda: DeadReLUMonitor(data, every=2))


def test_a_copy_watches_on_its_own():
    *data, monitor = all_dead()
    fit(*data, monitor)
    other = copy.deepcopy(monitor)
    fit(*apart("sequential", BIASES), other)
    assert [len(units) for units in monitor.dead_units.values()] == [4]
    assert other.dead_units.keys() != monitor.dead_units.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        {"threshold": "0"},
        {"threshold": np.nan},
        {"warn_above": 1.5},
        {"warn_above": True},
        {"every": 0},
        {"layers": []},
        {"layers": ["("]},
        {"layers": [3]},
        {"record": "record.jsonl"},
        {"per_layer": 2},
        {"data": 3},
        {"data": [[1.0, 2.0]]},
        {"data": np.ones((0, 3))},
        {"data": [np.ones((2, 3)), np.ones((3, 3))]},
        {"data": (row for row in np.ones((2, 1, 3)))},
    ],
)
def test_rejects(arguments):
    [name] = arguments
    with pytest.raises(ValueError, match=f"`{name}`"):
        DeadReLUMonitor(**arguments)


def test_rejects_a_model_without_weights_and_data_that_does_not_suit():
    unbuilt = keras.Sequential([layers.Dense(2, "relu")])
    unbuilt.compile("sgd", "mse")
    for monitor in (DeadReLUMonitor(), DeadReLUMonitor(np.ones((2, 3)))):
        monitor.set_model(keras.Sequential([layers.Dense(2, "relu")]))
        with pytest.raises(ValueError, match="must be built before"):
            monitor.on_train_begin()
    model, x, y = apart("sequential", BIASES)
    with pytest.raises(ValueError):
        fit(model, x, y, DeadReLUMonitor(np.ones((SAMPLES, 7))))
    fit(model, x, y, DeadReLUMonitor())
