"""Facts on outputs say what they look like, whatever layer or loss made them."""

import keras
import numpy as np
import pytest

from kcomponents._recording.outputs import Output

pytestmark = pytest.mark.any_backend

LABELS = np.arange(30) % 3


def facts(predictions, weights=None, **config):
    """Return the facts of one output with three classes."""
    loss = {"class": "SparseCategoricalCrossentropy", "name": "loss", "config": config}
    return Output("output", loss, None, LABELS, predictions, weights).facts


def test_outputs_that_sum_to_one_are_told_from_others():
    logits = np.random.default_rng(3).normal(size=(30, 3))
    softmax = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    assert facts(softmax)["sums_to_one"] and not facts(logits)["sums_to_one"]
    assert not facts(2 * softmax)["sums_to_one"]
    # A single unit sums to nothing.
    assert not facts(np.ones((30, 1)))["sums_to_one"]
    found = facts(logits)
    assert (found["lowest"], found["highest"]) == (logits.min(), logits.max())


def test_outputs_that_are_not_finite_have_no_range():
    found = facts(np.full((30, 3), np.nan))
    assert "lowest" not in found and "sums_to_one" not in found


def test_the_axis_of_a_loss_and_the_mean_of_weights_are_known():
    assert facts(np.ones((30, 3)), axis=0)["loss_axis"] == 0
    assert facts(np.ones((30, 3)))["loss_axis"] is None
    assert facts(np.ones((30, 3)))["mean_weight"] == 1.0
    weights = np.where(LABELS == 0, 3.0, 0.0)
    assert facts(np.ones((30, 3)), weights)["mean_weight"] == pytest.approx(1.0)
    assert facts(np.ones((30, 3)), weights / 2)["mean_weight"] == pytest.approx(0.5)
