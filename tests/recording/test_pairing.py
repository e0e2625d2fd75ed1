"""A loss depends on its targets if it is larger with those of other samples."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents._recording.pairing import paired_losses
from kcomponents._recording.sample import Sample

X = np.random.default_rng(4).normal(size=(32, 2)).astype("float32")
Y = X[:, :1] * 3


def line(loss):
    """Return a model that gives three times its first input."""
    layer = keras.layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((2,)), layer])
    layer.kernel.assign([[3.0], [0.0]])
    model.compile("sgd", loss)
    return model


def test_a_loss_of_right_predictions_is_larger_with_other_targets():
    model = line(lambda y, p: ops.mean(ops.square(y - p), axis=-1))
    own, other = paired_losses(model, Sample(X, Y))
    assert own == pytest.approx(0.0, abs=1e-6)
    order = np.random.default_rng(0).permutation(32)
    assert other == pytest.approx(np.mean((Y - Y[order]) ** 2), rel=1e-4)


def test_a_loss_that_ignores_its_targets_is_equal():
    model = line(lambda y, p: ops.mean(ops.square(p), axis=-1))
    own, other = paired_losses(model, Sample(X, Y))
    assert own == other == pytest.approx(np.mean(Y**2), rel=1e-4)


class Pairs(keras.Model):
    """Compares its two inputs in a loss of its own."""

    def __init__(self):
        super().__init__()
        self.scale = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")

    def call(self, inputs):
        return self.scale(inputs[0]), self.scale(inputs[1])

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return ops.mean(ops.square(y_pred[0] - y_pred[1]))


def test_without_targets_one_of_several_inputs_is_permuted():
    model, sample = Pairs(), Sample([X, X], None)
    model([X, X])
    model.compile("sgd")
    own, other = paired_losses(model, sample)
    assert own == pytest.approx(0.0, abs=1e-6) and other > 0.5
    # A single input has no other to belong to.
    assert paired_losses(model, Sample(X, None)) is None


def test_a_model_without_a_loss_has_none_to_compare():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd")
    assert paired_losses(model, Sample(X, Y)) is None


def test_losses_that_are_not_finite_are_not_compared():
    model = line(lambda y, p: ops.mean(y - p, axis=-1) * np.nan)
    assert paired_losses(model, Sample(X, Y)) is None


def test_what_the_losses_change_is_restored():
    model = line(lambda y, p: ops.mean(ops.square(y - p), axis=-1))
    before = [ops.convert_to_numpy(v.value).copy() for v in model.variables]
    state = np.random.get_state()[1].copy()
    first = paired_losses(model, Sample(X, Y))
    after = [ops.convert_to_numpy(v.value) for v in model.variables]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (np.random.get_state()[1] == state).all()
    assert paired_losses(model, Sample(X, Y)) == first


def test_penalties_count_the_same_for_right_and_permuted_targets():
    layer = keras.layers.Dense(1, use_bias=False, kernel_regularizer="l2")
    model = keras.Sequential([keras.Input((2,)), layer])
    layer.kernel.assign([[3.0], [0.0]])
    model.compile("sgd", lambda y, p: ops.mean(ops.square(y - p), axis=-1))
    own, other = paired_losses(model, Sample(X, Y))
    assert own == pytest.approx(0.01 * 9, rel=1e-4) and other > 1
