"""MaxoutConv1D to 3D against the convolutions of Keras and NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import ConvIdentity
from kcomponents.layers import MaxoutConv1D, MaxoutConv2D, MaxoutConv3D
from kcomponents.testing import check_layer
from tests.backend_cases import once
from tests.channels_first import outputs

LAYERS = {1: MaxoutConv1D, 2: MaxoutConv2D, 3: MaxoutConv3D}
CONVOLUTIONS = {
    1: keras.layers.Conv1D,
    2: keras.layers.Conv2D,
    3: keras.layers.Conv3D,
}


def sample(rank, channels=4, size=6, channels_first=False):
    space = (size,) * rank
    shape = (2, channels, *space) if channels_first else (2, *space, channels)
    return np.random.default_rng(rank).normal(size=shape).astype("float32")


def largest(x, num_pieces, grouping, axis=-1):
    x = np.moveaxis(ops.convert_to_numpy(x), axis, -1)
    if grouping == "contiguous":
        y = x.reshape(*x.shape[:-1], -1, num_pieces).max(-1)
    else:
        y = x.reshape(*x.shape[:-1], num_pieces, -1).max(-2)
    return np.moveaxis(y, -1, axis)


def same(actual, desired):
    actual, desired = ops.convert_to_numpy(actual), ops.convert_to_numpy(desired)
    np.testing.assert_allclose(actual, desired, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    "rank, arguments",
    [
        (1, {"strides": 2, "padding": "same", "use_bias": False}),
        (1, {"dilation_rate": 2, "grouping": "strided"}),
        (2, {"dilation_rate": (1, 2), "padding": "same"}),
        (2, {"strides": (2, 1), "grouping": "strided"}),
        (3, {}),
    ],
    ids=str,
)
def test_equals_a_wide_convolution_and_maximum(rank, arguments, data_format):
    arguments = {"bias_initializer": "normal", "data_format": data_format, **arguments}
    layer = LAYERS[rank](4, 2, 3, **arguments)
    x = sample(rank, channels_first=data_format == "channels_first")
    y = outputs(layer, x)
    grouping = arguments.pop("grouping", "contiguous")
    wide = CONVOLUTIONS[rank](12, 2, **arguments)
    wide.build(x.shape)
    wide.set_weights(layer.get_weights())
    axis = -1 if data_format == "channels_last" else 1
    due = largest(outputs(wide, x), 3, grouping, axis)
    same(y, due)
    assert tuple(layer.compute_output_shape(x.shape)) == due.shape


def test_a_window_of_one_equals_dense_maxout_at_each_position():
    layer, x = MaxoutConv2D(3, 1, 2), sample(2)
    y = layer(x)
    kernel = ops.convert_to_numpy(layer.kernel).reshape(4, 6)
    same(y, largest(x @ kernel, 2, "contiguous"))


def test_causal_padding_looks_back_only():
    layer, x = MaxoutConv1D(3, 3, padding="causal"), sample(1)
    y = ops.convert_to_numpy(layer(x))
    later = x.copy()
    later[:, 4:] += 1
    changed = ops.convert_to_numpy(layer(later)) != y
    assert y.shape == (2, 6, 3)
    assert not changed[:, :4].any() and changed[:, 4:].any()


def test_all_pieces_of_a_filter_see_one_group_of_channels():
    layer, x = MaxoutConv2D(4, 3, 3, groups=2), sample(2)
    y = ops.convert_to_numpy(layer(x))
    x[..., 2:] += 1
    changed = (ops.convert_to_numpy(layer(x)) != y).any((0, 1, 2))
    assert changed.tolist() == [False, False, True, True]


def test_pieces_are_initialized_separately_with_the_fans_of_one():
    layer = MaxoutConv2D(64, 3, 4, kernel_initializer="glorot_normal")
    layer.build((None, 8, 8, 32))
    pieces = ops.convert_to_numpy(layer.kernel).reshape(-1, 64, 4)
    due = np.sqrt(2 / (9 * 32 + 9 * 64))
    assert pieces.std((0, 1)) == pytest.approx(due, rel=0.05)
    assert (np.ptp(pieces, axis=-1) > 0).all()


@pytest.mark.parametrize("rank", LAYERS)
def test_unknown_sizes_stay_unknown(rank):
    inputs = keras.Input((*[None] * rank, 4))
    outputs = LAYERS[rank](3, 2)(inputs)
    assert outputs.shape == (None,) * (rank + 1) + (3,)
    model = keras.Model(inputs, outputs)
    for size in (6, 4):
        x = sample(rank, size=size)
        same(model.predict(x, verbose=0), model(x))


@pytest.mark.parametrize("rank", [2, *once(1, 3)])
def test_passes_the_checks_of_a_layer(rank):
    arguments = {
        "filters": 2,
        "kernel_size": 2,
        "padding": "same",
        "kernel_regularizer": "l2",
    }
    check_layer(LAYERS[rank], arguments, input_shape=(2, *(3,) * rank, 2))


def test_works_within_time_distributed():
    layer, x = MaxoutConv1D(3, 2), sample(1)
    stacked = keras.layers.TimeDistributed(layer)(x[None])
    same(stacked, ops.convert_to_numpy(layer(x))[None])


def test_lora_trains_and_is_saved(tmp_path):
    layer = MaxoutConv2D(3, 2, lora_rank=2, lora_alpha=8)
    model = keras.Sequential([keras.Input((6, 6, 4)), layer])
    before = ops.convert_to_numpy(layer.kernel)
    assert len(layer.trainable_variables) == 3
    model.compile("adam", "mse")
    x = sample(2)
    model.fit(x, np.ones((2, 5, 5, 3), "float32"), verbose=0, epochs=2)
    assert not np.allclose(ops.convert_to_numpy(layer.kernel), before)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    same(copy(x), model(x))
    assert (copy.layers[0].lora_rank, copy.layers[0].lora_alpha) == (2, 8)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
def test_quantizing_a_model_leaves_convolutions_as_they_are():
    model = keras.Sequential([keras.Input((6, 4)), MaxoutConv1D(3, 2)])
    before = model.predict(sample(1), verbose=0)
    model.quantize("int8")
    same(model.predict(sample(1), verbose=0), before)
    with pytest.raises(NotImplementedError, match="Conv1D"):
        model.layers[0].quantize("int8")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 0}, "filters=0"),
        ({"num_pieces": 0}, "num_pieces=0"),
        ({"groups": 0}, "groups=0"),
        ({"groups": 3}, "`groups` must divide"),
        ({"groups": 2, "grouping": "strided"}, "contiguous"),
        ({"grouping": "stride"}, "'strided'"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"padding": "causal"}, "padding"),
        ({"strides": 2, "dilation_rate": 2}, "dilation_rate"),
        ({"activation": "relu"}, "activation"),
    ],
    ids=str,
)
def test_rejects_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaxoutConv2D(**{"filters": 4, "kernel_size": 3, **arguments})


def test_rejects_channels_that_the_groups_do_not_divide():
    with pytest.raises(ValueError, match="groups=2"):
        MaxoutConv2D(4, 2, groups=2)(sample(2, channels=3))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("initializer", ["zeros", ConvIdentity()])
def test_an_initializer_that_is_not_random_warns_of_equal_pieces(rank, initializer):
    with pytest.warns(UserWarning, match="start equal") as caught:
        LAYERS[rank](2, 3, kernel_initializer=initializer)
    assert len(caught) == 1 and caught[0].filename == __file__
