"""IRNN: a rectified network that copies its state."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import IRNN, Blocked
from kcomponents.testing import check_initializer, gradient


def summing(gain=1.0):
    return keras.layers.SimpleRNN(
        3, "relu", kernel_initializer="identity", recurrent_initializer=IRNN(gain)
    )


def test_the_network_adds_up_what_it_is_given():
    x = np.random.default_rng(0).uniform(size=(2, 7, 3)).astype("float32")
    y = ops.convert_to_numpy(summing()(x))
    np.testing.assert_allclose(y, x.sum(1), rtol=1e-5)


def test_gradients_neither_vanish_nor_explode_over_time():
    layer = summing()
    x = np.ones((1, 50, 3), "float32")
    layer(x)
    [slope] = gradient(lambda x: ops.sum(layer(x)), x)
    np.testing.assert_allclose(slope, 1, rtol=1e-5)


def test_a_gain_below_one_forgets():
    x = np.ones((1, 2, 3), "float32")
    np.testing.assert_allclose(ops.convert_to_numpy(summing(0.25)(x)), 1.25)


def test_every_gate_of_an_lstm_gets_one():
    values = ops.convert_to_numpy(Blocked(IRNN(2.0), 4)((3, 12)))
    np.testing.assert_array_equal(values, np.tile(2 * np.eye(3), 4))


def test_keeps_the_promises_of_an_initializer():
    check_initializer(IRNN(0.5), shape=(4, 4))


@pytest.mark.parametrize("shape", [(3,), (3, 12), (3, 3, 3)])
def test_rejects_what_is_not_square_and_names_the_way_for_gates(shape):
    with pytest.raises(ValueError, match=r"Blocked\(IRNN\(\), num_blocks\)"):
        IRNN()(shape)


@pytest.mark.parametrize("gain", [float("nan"), "1", False])
def test_rejects_what_is_no_gain(gain):
    with pytest.raises(ValueError, match="`gain` must be a finite number"):
        IRNN(gain)
