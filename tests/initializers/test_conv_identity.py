"""ConvIdentity: convolutions that return what they are given."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import ConvIdentity
from kcomponents.testing import check_initializer

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


def test_keeps_the_promises_of_an_initializer():
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
