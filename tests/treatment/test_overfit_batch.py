"""A single batch is learned, or the diagnosis says why not; the model stays."""

import logging
import math

import keras
import numpy as np
import pytest

from kcomponents._keras.random_state import random_state
from kcomponents.doctor import Diagnosis, Finding, Remedy
from kcomponents.treatment import BatchCheck, overfit_batch

layers = keras.layers
X = np.random.default_rng(0).normal(size=(96, 4)).astype("float32")
CLASSES = (X[:, 0] * X[:, 1] > 0).astype("float32")


def model(*hidden, last="sigmoid", loss="binary_crossentropy", **options):
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(1, last)])
    options.setdefault("optimizer", keras.optimizers.Adam(0.01))
    made.compile(loss=loss, **options)
    return made


def test_a_sound_model_learns_a_batch_and_stays_as_it_was(caplog):
    made = model(layers.Dense(64, "relu"))
    weights, randoms = made.get_weights(), random_state()
    metrics = len(made.metrics_variables)
    with caplog.at_level(logging.INFO, "kcomponents"):
        found = overfit_batch(made, X, CLASSES)
    assert found.learned is True and found.skill > 0.9
    assert found.samples == 32 and 5 < len(found.losses) < 300
    assert found.losses[-1] < found.losses[0] and not found.diagnosis.notes
    assert "learned a batch of 32 samples" in str(found)
    for before, after in zip(weights, made.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not made.optimizer.built and len(made.metrics_variables) == metrics
    assert str(random_state()) == str(randoms)
    assert not caplog.records


@pytest.mark.parametrize(
    ("label", "activation", "kind", "rate"),
    [
        ("missing_activation", None, "Adam", 0.01),
        ("learning_rate_too_low", "relu", "SGD", 1e-5),
    ],
)
def test_a_batch_that_is_not_learned_is_explained(label, activation, kind, rate):
    optimizer = getattr(keras.optimizers, kind)(rate)
    made = model(layers.Dense(64, activation), optimizer=optimizer)
    found = overfit_batch(made, X, CLASSES)
    assert found.learned is False and found.skill < 0.9
    assert found.diagnosis.findings[0].label == label
    assert label in str(found) and label in found._repr_html_()


def test_a_loss_of_ones_own_is_judged_by_how_far_it_falls():
    def own(y, p):
        return keras.ops.mean(keras.ops.abs(y[:, :1] + y[:, 1:2] - p) ** 1.5)

    def build(rate):
        return lambda: model(loss=own, last=None, optimizer=keras.optimizers.SGD(rate))

    batch = X[:16], X[:16, :3]
    falls = overfit_batch(build(0.3), iter([batch]), steps=40)
    assert falls.learned is None and math.isnan(falls.skill)
    assert "whether that is learned, is unknown" in str(falls)
    assert falls.samples == 16 and len(falls.losses) == 40
    assert overfit_batch(build(1e-9), iter([batch]), steps=3).learned is False


def test_accumulated_gradients_get_their_batches():
    adam = keras.optimizers.Adam(0.01, gradient_accumulation_steps=3)
    made = model(optimizer=adam, steps_per_execution=2)
    assert len(overfit_batch(made, X, CLASSES, steps=2).losses) == 2


@pytest.mark.any_backend
def test_what_was_found_can_be_read():
    remedy = Remedy("learning_rate", (0.1,), "It is faster.")
    low = Finding("learning_rate_too_low", "Adam", ("It is low.",), "high", (remedy,))
    wrong = Diagnosis("inconsistent", (low,))
    slow = Diagnosis("not_learning", (low,))
    fine = Diagnosis("healthy", ())
    no = BatchCheck(False, 0.2, (2.0, 1.5), 32, slow)
    assert no.sentence == (
        "The model did not learn a batch of 32 samples in 2 steps: the loss went from "
        "2 to 1.5."
    )
    assert "It is low." in str(no) and "It is low." in no._repr_html_()
    unexplained = BatchCheck(False, 0.2, (2.0, 1.5), 32, fine)
    assert str(unexplained).endswith("1.5. No cause was found.")
    assert "It is low." in str(BatchCheck(True, 1.0, (2.0, 0.1), 32, wrong))
    assert "It is low." not in str(BatchCheck(True, 1.0, (2.0, 0.1), 32, slow))


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["steps", "batch_size"])
def test_counts_must_be_positive(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer"):
        overfit_batch(model(), X, CLASSES, **{name: 0})
