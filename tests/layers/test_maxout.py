"""Maxout, as a layer and as a function, against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.activations import maxout
from kcomponents.layers import Maxout
from kcomponents.testing import check_layer, compiled, gradient

X = np.random.default_rng(0).normal(size=(2, 6, 12)).astype("float32")


def by_units(x, num_units, axis):
    """Pool as TensorFlow Addons says: the pieces of a unit lie `num_units` apart."""
    x = np.moveaxis(x, axis, -1)
    groups = [x[..., unit::num_units].max(-1) for unit in range(num_units)]
    return np.moveaxis(np.stack(groups, -1), -1, axis)


def by_pieces(x, num_pieces, axis):
    """Pool as Chainer and Paddle say: the pieces of a unit are neighbors."""
    x = np.moveaxis(x, axis, -1)
    starts = range(0, x.shape[-1], num_pieces)
    groups = [x[..., start : start + num_pieces].max(-1) for start in starts]
    return np.moveaxis(np.stack(groups, -1), -1, axis)


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
@pytest.mark.parametrize("num_pieces", [1, 2, 3, 6])
def test_neighboring_channels_form_a_group_by_default(num_pieces, axis):
    due = by_pieces(X, num_pieces, axis)
    np.testing.assert_array_equal(Maxout(num_pieces, axis)(X), due)
    np.testing.assert_array_equal(maxout(X, num_pieces, axis), due)


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
@pytest.mark.parametrize("num_units", [1, 2, 3, 6])
def test_strided_units_are_those_of_tensorflow_addons(num_units, axis):
    layer = Maxout(num_units=num_units, axis=axis, grouping="strided")
    np.testing.assert_array_equal(layer(X), by_units(X, num_units, axis))


def test_the_examples_of_other_libraries_come_out():
    x = np.arange(12, dtype="float32").reshape(1, 12)[:, ::-1]
    # TensorFlow Addons: `Maxout(4)`; Chainer and Paddle: `maxout(x, 3, axis=1)`.
    strided = Maxout(num_units=4, grouping="strided")(x)
    np.testing.assert_array_equal(strided, [[11, 10, 9, 8]])
    np.testing.assert_array_equal(Maxout(3)(x), [[11, 8, 5, 2]])


@pytest.mark.parametrize("axis", [1, -1])
def test_groups_may_differ_in_size(axis):
    sizes = [2, 1, 3] if axis == 1 else [5, 1, 2, 4]
    ends = np.cumsum(sizes)[:-1]
    due = [part.max(axis) for part in np.split(X, ends, axis)]
    y = Maxout(axis=axis, group_sizes=sizes)(X)
    np.testing.assert_array_equal(y, np.stack(due, axis))


def test_min_zero_adds_zero_to_each_group():
    due = np.maximum(by_pieces(X, 2, -1), 0)
    np.testing.assert_array_equal(Maxout(2, min_zero=True)(X), due)
    assert (due == 0).any()


@pytest.mark.parametrize(
    "groups", [{}, {"grouping": "strided"}, {"group_sizes": [2, 2]}], ids=str
)
def test_only_the_largest_channel_gets_the_gradient(groups):
    layer = Maxout(**groups)
    # The first group ties, the second does not.
    x = np.array([[3.0, 3.0, 1.0, 2.0]], "float32")
    order = [0, 2, 1, 3] if "grouping" in groups else [0, 1, 2, 3]
    weights = np.array([[5.0, 7.0]], "float32")
    [slope] = gradient(lambda x: ops.sum(ops.multiply(layer(x), weights)), x[:, order])
    np.testing.assert_array_equal(slope[:, order], [[5, 0, 0, 7]])


def test_relu_is_a_maxout_of_the_input_and_zero():
    x = X.reshape(-1, 1)

    def rectified(x):
        return maxout(ops.concatenate([x, ops.zeros_like(x)], -1), 2)

    np.testing.assert_array_equal(rectified(ops.array(x)), ops.relu(x))
    [slope] = gradient(lambda x: ops.sum(rectified(x)), x)
    np.testing.assert_array_equal(slope, (x > 0).astype("float32"))


@pytest.mark.parametrize("groups", [{}, {"group_sizes": [3, 1]}, {"min_zero": True}])
@pytest.mark.parametrize("place", [0, 1])
def test_nan_is_never_hidden(groups, place):
    x = np.array([[1.0, 2.0, 3.0, 4.0]], "float32")
    x[0, place] = np.nan
    layer = Maxout(**groups)
    for call in (layer, compiled(layer)):
        assert np.isnan(ops.convert_to_numpy(call(x))).tolist() == [[True, False]]


def test_an_empty_batch_passes():
    assert tuple(Maxout(2)(X[:0]).shape) == (0, 6, 6)


@pytest.mark.parametrize(
    "arguments", [{}, {"axis": 2}, {"group_sizes": [1, 3]}], ids=str
)
def test_unknown_sizes_keep_the_known_ones(arguments):
    inputs = keras.Input((None, 4, None, 4))
    axis = arguments.get("axis", -1)
    outputs = Maxout(**{"axis": axis, **arguments})(inputs)
    due = [None, None, 4, None, 4]
    due[axis] = 2
    assert outputs.shape == tuple(due)
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(1).normal(size=(3, 2, 4, 5, 4)).astype("float32")
    due = maxout(x, 2, axis, group_sizes=arguments.get("group_sizes"))
    np.testing.assert_array_equal(model.predict(x, verbose=0), due)
    np.testing.assert_array_equal(model.predict(x[:1, :1], verbose=0), due[:1, :1])


@pytest.mark.parametrize("shape", [(None, 4), (None, None, 4)])
def test_the_function_takes_symbolic_tensors(shape):
    inputs = keras.Input(shape)
    outputs = maxout(inputs, 2)
    assert outputs.shape == (None, *shape[:-1], 2)
    x = np.ones((2, *(n or 3 for n in shape)), "float32")
    assert keras.Model(inputs, outputs)(x).shape == (2, *x.shape[1:-1], 2)


def test_a_mask_is_pooled_along_with_its_own_axis():
    x = np.array([[[1, 1], [0, 0], [0, 0], [0, 0]]], "float32")
    mask = keras.layers.Masking().compute_mask(x)
    assert Maxout().compute_mask(x, mask) is mask
    for axis in (1, -2):
        pooled = Maxout(axis=axis).compute_mask(x, mask)
        np.testing.assert_array_equal(pooled, [[True, False]])


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"num_pieces": 3, "axis": 1},
        {"num_units": 2, "grouping": "strided", "min_zero": True},
        {"group_sizes": [1, 2, 3]},
    ],
    ids=str,
)
def test_passes_the_checks_of_a_layer(arguments):
    check_layer(Maxout, arguments, input_shape=(2, 6, 6))


def test_works_within_time_distributed():
    layer = keras.layers.TimeDistributed(Maxout(3))
    np.testing.assert_array_equal(layer(X), by_pieces(X, 3, -1))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_pieces": 0}, "num_pieces=0"),
        ({"num_pieces": 2.0}, "num_pieces=2.0"),
        ({"num_units": -1}, "num_units=-1"),
        ({"group_sizes": []}, "group_sizes"),
        ({"group_sizes": 3}, "group_sizes=3"),
        ({"group_sizes": [2, 0]}, "group_sizes=0"),
        ({"num_pieces": 3, "num_units": 2}, "Pass only one of"),
        ({"num_units": 3, "group_sizes": [6, 6]}, "Pass only one of"),
        ({"grouping": "stride"}, "'strided'"),
        ({"grouping": "strided", "group_sizes": [6, 6]}, "contiguous"),
    ],
    ids=str,
)
def test_rejects_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Maxout(**arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_pieces": 5}, "num_pieces=5, size=12"),
        ({"num_units": 5}, "num_units=5, size=12"),
        ({"group_sizes": [6, 5]}, "must add up"),
        ({"axis": 0}, "batch axis"),
        ({"axis": -3}, "batch axis"),
        ({"axis": 3}, "axis=3"),
        ({"axis": "last"}, "axis='last'"),
        ({"axis": 1}, "must be known"),
    ],
    ids=str,
)
def test_rejects_inputs_that_its_groups_do_not_fill(arguments, message):
    with pytest.raises(ValueError, match=message):
        Maxout(**arguments)(keras.Input((None, 12)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_pieces": 5}, "num_pieces=5, size=12"),
        ({"num_pieces": 0}, "num_pieces=0"),
        ({"group_sizes": [6, 5]}, "must add up"),
        ({"axis": 3}, "axis=3"),
        ({"grouping": "stride"}, "'strided'"),
    ],
    ids=str,
)
def test_the_function_rejects_groups_that_do_not_fill_the_axis(arguments, message):
    with pytest.raises(ValueError, match=message):
        maxout(X, **arguments)
