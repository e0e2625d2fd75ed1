"""Monte Carlo dropout: like the dropout of Keras, but active in every mode."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kcomponents.layers import (
    MCDropout,
    MCSpatialDropout1D,
    MCSpatialDropout2D,
    MCSpatialDropout3D,
)
from kcomponents.testing import check_layer
from kcomponents.testing.common import saved_and_loaded
from tests.keras_own import cases, run, theirs_in
from tests.keras_versions import needs_keras

dropout_test = theirs_in("layers.regularization.dropout_test")
spatial_dropout_test = theirs_in("layers.regularization.spatial_dropout_test")

X = np.ones((4, 1000), "float32")
SPATIAL = {
    "SpatialDropout1D": MCSpatialDropout1D,
    "SpatialDropout2D": MCSpatialDropout2D,
    "SpatialDropout3D": MCSpatialDropout3D,
}


def out(layer, x=X, **options):
    return ops.convert_to_numpy(layer(x, **options))


@pytest.mark.parametrize("training", [None, False, True])
def test_drops_and_scales_whatever_training_says(training):
    y = out(MCDropout(0.2, seed=0), training=training)
    assert set(np.unique(y)) == {0, np.float32(1.25)}
    # Five standard deviations of the mean of 4000 masks.
    assert (y == 0).mean() == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / 4000))


def test_drops_in_predict_where_the_dropout_of_keras_is_overridden():
    inputs = keras.Input((1000,))
    model = keras.Model(inputs, MCDropout(0.5)(inputs, training=False))
    assert 0.3 < (model.predict(X, verbose=0) == 0).mean() < 0.7


def test_masks_differ_between_batches_and_predictions():
    model = keras.Sequential([keras.Input((1000,)), MCDropout(0.5)])
    first, second = (model.predict(X, batch_size=2, verbose=0) for _ in range(2))
    assert (first[:2] != first[2:]).any()
    assert (first != second).any()


def test_batch_normalization_does_not_change_in_predict():
    normalization = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((1000,)), MCDropout(0.5), normalization])
    before = normalization.get_weights()
    model.predict(3 * X, verbose=0)
    for old, new in zip(before, normalization.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_loaded_model_continues_the_random_numbers_of_the_saved_one():
    model = keras.Sequential([keras.Input((1000,)), MCDropout(0.5, seed=3)])
    model(X)
    loaded = saved_and_loaded(model)
    np.testing.assert_array_equal(out(model), out(loaded))


def test_a_seed_repeats_the_masks():
    np.testing.assert_array_equal(
        out(MCDropout(0.5, seed=1)), out(MCDropout(0.5, seed=1))
    )


def test_rate_0_changes_nothing():
    np.testing.assert_array_equal(out(MCDropout(0)), X)


def test_can_be_switched_to_the_behavior_of_keras_and_back():
    layer = MCDropout(0.5, active="training")
    np.testing.assert_array_equal(out(layer), X)
    assert (out(layer, training=True) == 0).any()
    layer.active = "always"
    assert (out(layer) == 0).any()
    assert layer.get_config()["active"] == "always"
    with pytest.raises(ValueError, match="active"):
        layer.active = "never"
    assert layer.active == "always"


@pytest.mark.parametrize(
    ("layer", "shape", "drawn"),
    [
        (MCDropout(0.5, (None, 1, None), 0), (9, 5, 8), (9, 1, 8)),
        (MCDropout(0.5, (1, None, 8), 0), (9, 5, 8), (1, 5, 8)),
        (MCSpatialDropout1D(0.5, 0), (9, 5, 8), (9, 1, 8)),
        (MCSpatialDropout2D(0.5, "channels_last", 0), (9, 5, 4, 8), (9, 1, 1, 8)),
        (MCSpatialDropout2D(0.5, "channels_first", 0), (9, 8, 5, 4), (9, 8, 1, 1)),
        (MCSpatialDropout3D(0.5, "channels_last", 0), (9, 5, 4, 3, 8), (9, 1, 1, 1, 8)),
        (
            MCSpatialDropout3D(0.5, "channels_first", 0),
            (9, 8, 5, 4, 3),
            (9, 8, 1, 1, 1),
        ),
    ],
)
def test_one_mask_value_holds_along_shared_axes(layer, shape, drawn):
    y = out(layer, np.ones(shape, "float32"))
    one_of_each = y[tuple(slice(size) for size in drawn)]
    np.testing.assert_array_equal(y, np.broadcast_to(one_of_each, shape))
    assert 0.2 < (one_of_each == 0).mean() < 0.8


@pytest.mark.parametrize("rate", [-0.1, 1, 1.0, 1.5, np.nan, "half", None, True])
@pytest.mark.parametrize("layer", [MCDropout, *SPATIAL.values()])
def test_rejects_a_rate_outside_zero_to_one(layer, rate):
    with pytest.raises(ValueError, match="`rate`"):
        layer(rate)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MCDropout(0.5, active="Always"),
        lambda: MCSpatialDropout2D(0.5, "last"),
        pytest.param(
            lambda: MCDropout(0.5, noise_shape=(0, 1)),
            marks=needs_keras("3.13", "does not check `noise_shape`"),
        ),
        lambda: MCDropout(0.5, seed="one"),
    ],
)
def test_rejects_invalid_arguments(make):
    with pytest.raises(ValueError, match="Received"):
        make()


def test_rejects_inputs_of_another_rank():
    with pytest.raises(ValueError, match="ndim"):
        MCSpatialDropout1D(0.5)(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("layer", "arguments", "shape"),
    [
        (MCDropout, {"noise_shape": [None, 1, None]}, (2, 3, 4)),
        (MCSpatialDropout2D, {"data_format": "channels_first"}, (2, 3, 4, 5)),
    ],
)
def test_passes_the_checks_of_a_layer(layer, arguments, shape):
    check_layer(layer, {"rate": 0.5, **arguments}, input_shape=shape, stochastic=True)


@pytest.mark.parametrize("case", cases(dropout_test))
def test_passes_the_dropout_tests_of_keras(case, monkeypatch):
    monkeypatch.setattr(dropout_test.layers, "Dropout", MCDropout)
    run(case)


@pytest.mark.parametrize("case", cases(spatial_dropout_test))
def test_passes_the_spatial_dropout_tests_of_keras(case, monkeypatch):
    for name, ours in SPATIAL.items():
        monkeypatch.setattr(spatial_dropout_test.layers, name, ours)
    run(case)
