"""SaturationMonitor counts exactly the saturated outputs, in hidden layers only."""

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents import layers as ours
from kcomponents.callbacks import SaturationMonitor
from kcomponents.record import Record
from kcomponents.testing import check_callback
from tests.callbacks.watching import apart, by_name, fit, frozen, replay

# Every other unit is far from 0.
BIASES = [0.0, 4.0, -4.0]
# Sites of each model that are to be seen, with low and high.
TANH, WIDE = {"tanh": (-0.99, 0.99)}, {"tanh": (-0.99, 0.99), "relu": (-1.0, 1.0)}
SITES = {
    "sequential": {"second"},
    "functional": {"convolution", "reader"},
    "nested": {"first", "inner_first", "inner_second"},
    "shared": {"twice"},
    "time_distributed": {"recurrent"},
    "activations": {"second"},
    "twice": {"tanh", "tanh:2"},
}
# These models have no tanh: what the monitor counts needs none.
LIMITS = {name: WIDE for name in ("functional", "nested", "shared")}


def check_equals_replay(name, **settings):
    limits = LIMITS.get(name, TANH)
    monitor = SaturationMonitor(limits=limits, per_layer=True, **settings)
    logs = fit(*apart(name, BIASES), monitor)
    outputs = replay(*apart(name, BIASES))
    assert by_name(monitor.unit_shares).keys() == SITES[name]
    for site, shares in monitor.unit_shares.items():
        bound = 1.0 if WIDE is limits and "second" not in site else 0.99
        expected = (np.abs(outputs[site][0]) > bound).mean(axis=0)
        np.testing.assert_allclose(shares, expected, atol=1e-6)
        found = logs[f"saturated/{site}"]
        assert found == pytest.approx([expected.mean()], abs=1e-6)
    assert any(0 < share < 1 for [share] in list(logs.values())[1:])
    return monitor


@pytest.mark.parametrize("name", SITES)
def test_equals_what_outputs_show_in(name):
    check_equals_replay(name)


def test_readings_within_the_epoch_join_to_the_same():
    record = Record()
    monitor = check_equals_replay("twice", every=3, record=record)
    assert [reading.step for reading in record.readings] == [3, 4]
    assert record.readings == monitor.readings


PLATEAUS = {
    "tanh": lambda y: np.abs(y) > 0.99,
    "sigmoid": lambda y: (y < 0.01) | (y > 0.99),
    "softsign": lambda y: np.abs(y) > 0.9,
    "hard_tanh": lambda y: np.abs(y) == 1,
    "hard_sigmoid": lambda y: (y == 0) | (y == 1),
    "sparse_sigmoid": lambda y: (y == 0) | (y == 1),
}


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_knows_activations_with_plateaus(policy):
    keras.config.set_dtype_policy(policy)
    after = {name: layers.Activation(name, name=name) for name in PLATEAUS}
    biases = [0.0, 9.0, -9.0, 2.0, -5.0]
    model, x, y, before = frozen(8, *after.values(), biases=biases)
    monitor = SaturationMonitor()
    fit(model, x, y, monitor)
    assert monitor.unit_shares.keys() == PLATEAUS.keys()
    # In float16 single outputs may fall on the other side of a limit.
    near = 1e-6 if policy == "float32" else 0.13
    for name, shares in monitor.unit_shares.items():
        outputs = keras.ops.convert_to_numpy(after[name](keras.ops.array(before)))
        expected = PLATEAUS[name](outputs.astype("float64")).mean(axis=0)
        np.testing.assert_allclose(shares, expected, atol=near)
        assert 0 < np.mean(shares) < 1


def test_knows_operations_in_the_graph():
    after = {"tanh": keras.ops.tanh, "sigmoid": keras.activations.sigmoid}
    model, x, y, before = frozen(8, *after.values(), biases=[0.0, 9.0, -9.0])
    monitor = SaturationMonitor()
    logs = fit(model, x, y, monitor)
    for name, function in after.items():
        outputs = keras.ops.convert_to_numpy(function(keras.ops.array(before)))
        expected = PLATEAUS[name](outputs).mean(axis=0)
        np.testing.assert_allclose(monitor.unit_shares[name], expected, atol=1e-6)
    shares = [np.mean(monitor.unit_shares[name]) for name in after]
    assert logs["saturated"] == pytest.approx([np.mean(shares)])
    assert logs["saturated_max"] == pytest.approx([np.max(shares)])


def soft_clip(x):
    return x / (1 + keras.ops.abs(x))


def test_limits_replace_and_add():
    after = [layers.Activation(soft_clip), layers.Activation("tanh")]
    model, x, y, before = frozen(6, *after)
    limits = {"soft_clip": (-0.5, 0.25), "tanh": (-1.0, 1.0)}
    monitor = SaturationMonitor(limits=limits)
    fit(model, x, y, monitor)
    custom, tanh = monitor.unit_shares.values()
    outputs = before / (1 + np.abs(before))
    expected = (outputs < -0.5) | (outputs > 0.25)
    np.testing.assert_allclose(custom, expected.mean(axis=0), atol=1e-6)
    assert tanh == [0.0] * 6


def epoch_without_steps(model, monitor):
    """Return what a monitor logs of it, sparing to compile loops."""
    logs = {}
    monitor.set_model(model)
    monitor.on_train_begin()
    monitor.on_epoch_begin(0)
    monitor.on_epoch_end(0, logs)
    monitor.on_train_end()
    return logs


def test_outputs_of_the_model_and_gated_layers_are_left_out():
    between = [layers.LSTM(3, return_sequences=True), layers.GRU(3)]
    model = keras.Sequential([keras.Input((2, 3)), *between, layers.Dense(1, "tanh")])
    model.compile("sgd", "mse", jit_compile=False)
    monitor = SaturationMonitor()
    nothing = "No hidden layer with a saturating activation is monitored."
    with pytest.warns(UserWarning, match=nothing):
        logs = epoch_without_steps(model, monitor)
    assert logs == {} and monitor.unit_shares == {}
    assert monitor.report == nothing


@pytest.mark.filterwarnings("ignore:No hidden layer")
@pytest.mark.parametrize("merge, seen", [("concat", True), ("sum", False)])
def test_sees_both_directions_of_a_simple_rnn_side_by_side(merge, seen):
    both = layers.Bidirectional(layers.SimpleRNN(3), merge_mode=merge, name="both")
    model = keras.Sequential([keras.Input((2, 3)), both, layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    monitor, x = SaturationMonitor(), np.ones((2, 2, 3), "float32")
    model.fit(x, x[:, 0, :1], verbose=0, callbacks=[monitor])
    assert [len(shares) for shares in monitor.unit_shares.values()] == [6] * seen


def saturated(**settings):
    after = layers.Activation("tanh", name="tanh")
    model, x, y, _ = frozen(4, after, biases=[50.0, 50.0, 0.0, 50.0])
    model.get_layer("first").kernel.assign(np.zeros((3, 4)))
    return model, x, y, SaturationMonitor(**settings)


def test_is_quiet_unless_asked_and_names_the_worst_units_and_the_remedy():
    *data, monitor = saturated()
    logs = fit(*data, monitor)
    assert logs["saturated"] == logs["saturated_max"] == [0.75]
    assert "0 (1.00), 1 (1.00), 3 (1.00)" in monitor.report
    assert "smaller initial weights" in monitor.report


def test_warns_once_per_layer_and_fit():
    *data, monitor = saturated(warn_above=0.7)
    for _ in range(2):
        message = r"Epoch 1: 75% of the outputs of '\S*tanh' are saturated.*ReLU"
        with pytest.warns(UserWarning, match=message) as seen:
            fit(*data, monitor, epochs=3)
        assert [w.category for w in seen].count(UserWarning) == 1
    *data, monitor = saturated(warn_above=0.75)
    fit(*data, monitor)


def test_validation_does_not_count():
    *data, monitor = saturated()
    model, x, y = data
    model.get_layer("first").kernel.assign(np.ones((3, 4)))
    model.get_layer("first").bias.assign(np.zeros(4))
    fit(model, 0 * x, y, monitor, validation_data=(x * 100, y))
    assert list(monitor.unit_shares.values()) == [[0.0] * 4]


def test_looks_at_data_instead():
    model, x, y = apart("sequential", BIASES)
    model.optimizer.learning_rate = 0.0
    monitor = SaturationMonitor(np.concatenate([x] * 5))
    fit(model, x + 9, y, monitor)
    [[site, shares]] = monitor.unit_shares.items()
    expected = (np.abs(replay(model, x, y)[site][0]) > 0.99).mean(axis=0)
    np.testing.assert_allclose(shares, expected, atol=1e-6)


def test_counts_are_exact_where_sums_of_shares_are_not():
    # 7 and 3 rows: batches of different sizes weigh by their rows.
    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Activation("hard_tanh"),
            ours.GradientClip(clipnorm=1.0),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse", jit_compile=False)
    x = np.where(np.arange(10) < 7, 9.0, 0.0).astype("float32")[:, None]
    monitor = SaturationMonitor()
    logs = fit(model, x, x, monitor, batch_size=7)
    assert list(logs.values())[-1] == pytest.approx([0.7], abs=1e-7)


@pytest.mark.parametrize("data", [None, np.ones((3, 3), "float32")])
def test_keeps_the_promises_of_a_callback(data):
    limits = {"relu": (-1.0, 1.0)}
    check_callback(lambda: SaturationMonitor(data, limits=limits, every=2))


def test_refuses_layers_that_match_nothing():
    model, x, y = apart("sequential", BIASES)
    with pytest.raises(ValueError, match="`layers` matches no path.*second"):
        fit(model, x, y, SaturationMonitor(layers="secnd"))
    monitor = SaturationMonitor(layers="sec")
    fit(model, x, y, monitor)
    assert len(monitor.unit_shares) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"limits": [(-1, 1)]},
        {"limits": {3: (-1, 1)}},
        {"limits": {"tanh": 0.9}},
        {"limits": {"tanh": (-1, 0, 1)}},
        {"limits": {"tanh": (1, -1)}},
        {"limits": {"tanh": (-1, np.nan)}},
        {"warn_above": -0.1},
        {"per_layer": "no"},
        {"every": 1.5},
        {"layers": 3},
        {"data": "rows"},
    ],
)
def test_rejects(arguments):
    [name] = arguments
    with pytest.raises(ValueError, match=name):
        SaturationMonitor(**arguments)
