"""Blocked: every gate of a fused kernel for itself."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import Blocked
from kcomponents.testing import check_initializer


def gates(kernel, count=4):
    return np.split(ops.convert_to_numpy(kernel), count, axis=-1)


@pytest.mark.parametrize("seed", [None, 5])
def test_every_gate_of_an_lstm_is_orthogonal_and_its_own(seed):
    initializer = Blocked(keras.initializers.Orthogonal(seed=seed), 4)
    layer = keras.layers.LSTM(8, recurrent_initializer=initializer)
    layer.build((None, 5, 3))
    blocks = gates(layer.cell.recurrent_kernel)
    for block in blocks:
        np.testing.assert_allclose(block @ block.T, np.eye(8), atol=1e-5)
    assert len({block.tobytes() for block in blocks}) == 4


def test_keras_alone_leaves_the_gates_without_it():
    kernel = keras.initializers.Orthogonal(seed=1)((8, 32))
    for block in gates(kernel):
        assert abs(block @ block.T - np.eye(8)).max() > 0.1


def test_the_variance_is_that_of_one_gate():
    fused = Blocked(keras.initializers.GlorotNormal(seed=1), 4)((64, 256))
    assert ops.convert_to_numpy(fused).std() == pytest.approx((1 / 64) ** 0.5, rel=0.03)


def test_every_gate_may_be_the_identity():
    kernel = ops.convert_to_numpy(Blocked("identity", 3)((2, 6)))
    np.testing.assert_array_equal(kernel, np.tile(np.eye(2), 3))


@pytest.mark.parametrize("axis", [0, -2])
def test_blocks_may_lie_along_any_axis(axis):
    kernel = ops.convert_to_numpy(Blocked("identity", 3, axis=axis)((6, 2)))
    np.testing.assert_array_equal(kernel, np.tile(np.eye(2), (3, 1)))


def test_a_seed_repeats_the_kernel():
    one, two = (
        Blocked(keras.initializers.HeNormal(seed=1), 4)((3, 8)) for _ in range(2)
    )
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (one, two)))


def test_a_model_with_it_is_saved_and_loaded(tmp_path):
    layer = keras.layers.GRU(4, recurrent_initializer=Blocked("orthogonal", 3))
    model = keras.Sequential([keras.Input((5, 2)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    kept = loaded.layers[0].get_config()["recurrent_initializer"]
    assert kept["config"]["num_blocks"] == 3


def test_keeps_the_promises_of_an_initializer():
    inner = keras.initializers.GlorotUniform(seed=1)
    check_initializer(Blocked(inner, 2), shape=(3, 4))
    check_initializer(Blocked(Blocked(inner, 2), 2, axis=0), shape=(4, 4))


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_blocks": 0},
        {"num_blocks": 2.0},
        {"num_blocks": True},
        {"axis": 0.5},
        {"axis": None},
        {"initializer": None},
        {"initializer": "glorrot"},
    ],
)
def test_rejects_wrong_arguments(arguments):
    with pytest.raises(ValueError):
        Blocked(**{"initializer": "zeros", "num_blocks": 2, **arguments})


@pytest.mark.parametrize(("shape", "axis"), [((4, 6), -1), ((4, 8), 2), ((), -1)])
def test_rejects_shapes_that_do_not_divide(shape, axis):
    with pytest.raises(ValueError, match="Received"):
        Blocked("zeros", 4, axis)(shape)
