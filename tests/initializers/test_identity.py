"""ScaledIdentity, ConvIdentity, IRNN: first weights that copy their input."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import IRNN, Blocked, ConvIdentity, ScaledIdentity
from kcomponents.testing import check_initializer, gradient
from tests.keras_own import cases, run, theirs_in

constant_initializers_test = theirs_in("initializers.constant_initializers_test")

KERAS = [
    case for case in cases(constant_initializers_test) if "identity" in str(case.id)
]


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (1, 1)])
def test_is_the_identity_times_the_gain(shape):
    values = ops.convert_to_numpy(ScaledIdentity(0.3)(shape))
    np.testing.assert_array_equal(values, np.float32(0.3) * np.eye(*shape))


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX has no float64 unless asked for it"
)
def test_float64_keeps_every_digit_of_the_gain():
    values = ops.convert_to_numpy(ScaledIdentity(0.1)((2, 2), "float64"))
    assert values[0, 0] == 0.1


def test_scaled_identity_keeps_the_promises_of_an_initializer():
    check_initializer(ScaledIdentity(0.5), shape=(3, 4))


@pytest.mark.parametrize("gain", [float("nan"), float("inf"), "1", True, None])
def test_scaled_identity_rejects_what_is_no_gain(gain):
    with pytest.raises(ValueError, match="`gain` must be a finite number"):
        ScaledIdentity(gain)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 4)])
def test_rejects_what_is_no_matrix(shape):
    with pytest.raises(ValueError, match="ConvIdentity"):
        ScaledIdentity()(shape)


@pytest.mark.parametrize("case", KERAS)
def test_passes_the_tests_of_keras(case, monkeypatch):
    theirs = constant_initializers_test.initializers
    monkeypatch.setattr(theirs, "Identity", ScaledIdentity)
    known = theirs.ALL_OBJECTS_DICT
    monkeypatch.setitem(known, "IdentityInitializer", ScaledIdentity)
    run(case)


CONVOLUTIONS = {
    1: keras.layers.Conv1D,
    2: keras.layers.Conv2D,
    3: keras.layers.Conv3D,
}


def answer(rank, filters, size, **options):
    x = np.random.default_rng(0).normal(size=(2, *range(5, 5 + rank), 4))
    options = {"padding": "same", "use_bias": False, **options}
    layer = CONVOLUTIONS[rank](filters, size, **options)
    return x.astype("float32"), ops.convert_to_numpy(layer(x))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_convolution_returns_its_input_times_the_gain(rank, size):
    x, y = answer(rank, 4, size, kernel_initializer=ConvIdentity(0.5))
    np.testing.assert_array_equal(y, 0.5 * x)


def test_a_dilated_convolution_does_so_too():
    kernel = ConvIdentity()
    x, y = answer(2, 4, 3, dilation_rate=2, kernel_initializer=kernel)
    np.testing.assert_array_equal(y, x)


def test_filters_beyond_the_channels_give_nothing():
    x, y = answer(1, 6, 3, kernel_initializer=ConvIdentity())
    np.testing.assert_array_equal(y[..., :4], x)
    assert not y[..., 4:].any()


def test_channels_beyond_the_filters_are_lost():
    x, y = answer(1, 3, 3, kernel_initializer=ConvIdentity())
    np.testing.assert_array_equal(y, x[..., :3])


def test_each_group_is_passed_on_by_itself():
    x, y = answer(2, 4, 3, groups=2, kernel_initializer=ConvIdentity(groups=2))
    np.testing.assert_array_equal(y, x)
    x, y = answer(2, 8, 3, groups=2, kernel_initializer=ConvIdentity(groups=2))
    np.testing.assert_array_equal(y[..., [0, 1, 4, 5]], x)
    assert not y[..., [2, 3, 6, 7]].any()


def test_conv_identity_keeps_the_promises_of_an_initializer():
    check_initializer(ConvIdentity(0.5, groups=2), shape=(3, 3, 2, 4))


@pytest.mark.parametrize(
    "arguments",
    [{"gain": float("inf")}, {"groups": 0}, {"groups": 1.5}, {"groups": True}],
)
def test_rejects_arguments_out_of_range(arguments):
    with pytest.raises(ValueError, match="must be"):
        ConvIdentity(**arguments)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1, 1, 1, 1, 1)])
def test_rejects_what_is_no_kernel_of_a_convolution(shape):
    with pytest.raises(ValueError, match="ScaledIdentity"):
        ConvIdentity()(shape)


def test_rejects_groups_that_do_not_divide_the_filters():
    with pytest.raises(ValueError, match="groups=3, shape"):
        ConvIdentity(groups=3)((3, 2, 4))


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


def test_irnn_keeps_the_promises_of_an_initializer():
    check_initializer(IRNN(0.5), shape=(4, 4))


@pytest.mark.parametrize("shape", [(3,), (3, 12), (3, 3, 3)])
def test_rejects_what_is_not_square_and_names_the_way_for_gates(shape):
    with pytest.raises(ValueError, match=r"Blocked\(IRNN\(\), num_blocks\)"):
        IRNN()(shape)


@pytest.mark.parametrize("gain", [float("nan"), "1", False])
def test_irnn_rejects_what_is_no_gain(gain):
    with pytest.raises(ValueError, match="`gain` must be a finite number"):
        IRNN(gain)
