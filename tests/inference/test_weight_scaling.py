"""Weight scaling equals the old "multiply by 1 - p", and is compared with samples."""

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.inference import (
    compare_dropout_inference,
    mc_predict,
    weight_scaling_predict,
)
from kcomponents.layers import MCDropout, RReLU

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 8)).astype("float32")
Y = RANDOM.integers(0, 3, 40)


def chain(*middle, last=None):
    return keras.Sequential([keras.Input((8,)), *middle, layers.Dense(3, last)])


def test_it_is_predict_for_dropout_and_for_none():
    for middle in ([layers.Dropout(0.5)], []):
        model = chain(layers.Dense(5, "relu"), *middle, layers.BatchNormalization())
        expected = model.predict(X, verbose=0)
        found = weight_scaling_predict(model, X, batch_size=7)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_it_is_what_multiplied_weights_give():
    model = chain(layers.Dropout(0.25), layers.Dense(5, "relu"), layers.Dropout(0.5))
    first, last = (layer for layer in model.layers if layer.weights)
    # Dropout that is not inverted trains weights that are smaller by 1 - rate.
    (w, b), (v, c) = first.get_weights(), last.get_weights()
    w, v = w / 0.75, v / 0.5
    expected = np.maximum(X @ (0.75 * w) + b, 0) @ (0.5 * v) + c
    np.testing.assert_allclose(weight_scaling_predict(model, X), expected, atol=1e-5)


def test_layers_that_always_draw_are_off_and_on_again():
    dropout = MCDropout(0.5)
    model = chain(dropout, RReLU(0.1, 0.9, inference="sample"))
    same = chain(RReLU(0.1, 0.9))
    same.set_weights(model.get_weights())
    expected = same.predict(X, verbose=0)
    for _ in range(2):
        found = weight_scaling_predict(model, X)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert dropout.active == "always" and "call" not in vars(dropout)
    assert (mc_predict(model, X, 3).std > 0).any()


def test_logits_become_probabilities():
    model = chain(layers.Dropout(0.5))
    odds = np.exp(model.predict(X, verbose=0))
    found = weight_scaling_predict(model, X, from_logits=True)
    np.testing.assert_allclose(found, odds / odds.sum(-1, keepdims=True), atol=1e-6)


def test_the_comparison_follows_its_definitions():
    model = chain(layers.Dropout(0.5, seed=1), last="softmax")
    twin = chain(layers.Dropout(0.5, seed=1), last="softmax")
    twin.set_weights(model.get_weights())
    found = compare_dropout_inference(model, X, Y, [2, 7])
    one = model.predict(X, verbose=0)
    p = mc_predict(twin, X, 7, return_samples=True).samples
    assert list(found.monte_carlo) == [2, 7]
    rows = [(found.weight_scaling, one), (found.monte_carlo[2], p[:2].mean(0))]
    for score, mean in [*rows, (found.monte_carlo[7], p.mean(0))]:
        assert score.accuracy == np.mean(mean.argmax(-1) == Y)
        nll = -np.log(mean[np.arange(40), Y]).mean()
        assert score.nll == pytest.approx(nll, rel=1e-4)
    centered = [np.log(q) - np.log(q).mean(-1, keepdims=True) for q in (one, p)]
    off = centered[1].mean(0) - centered[0]
    gap = np.sqrt(np.mean(off**2) / np.mean(centered[0] ** 2))
    assert found.monte_carlo[7].gap == pytest.approx(gap, rel=1e-4)
    assert found.weight_scaling.gap == 0


def test_labels_may_be_integers_columns_or_one_hot():
    found = []
    for y in (Y, Y[:, None], np.eye(3)[Y]):
        keras.utils.set_random_seed(0)
        model = chain(layers.Dropout(0.5))
        found.append(compare_dropout_inference(model, X, y, 3, from_logits=True))
    assert found[0] == found[1] == found[2]


def test_one_unit_stands_for_two_classes():
    head = [layers.Dropout(0.5), layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((8,)), *head])
    found = compare_dropout_inference(model, X, Y > 0, 4)
    right = (model.predict(X, verbose=0)[:, 0] > 0.5) == (Y > 0)
    assert found.weight_scaling.accuracy == right.mean()


def test_the_gap_of_a_linear_net_is_noise_that_falls_as_the_root_of_samples():
    model = chain(layers.Dense(30), layers.Dropout(0.5))
    counts = [10, 1000]
    found = compare_dropout_inference(model, X, Y, counts, from_logits=True)
    few, many = (found.monte_carlo[count].gap for count in counts)
    assert 5 < few / many < 20


@pytest.mark.parametrize(
    "y, samples, match",
    [
        (Y[:-1], 3, "must be 40 labels"),
        (Y + 1, 3, "must be 40 labels"),
        (Y - 1, 3, "must be 40 labels"),
        (Y + 0.5, 3, "must be 40 labels"),
        (Y, [], "at least one"),
        (Y, [3, 0], "positive integer"),
        (Y, 1.5, "positive integer"),
    ],
)
def test_labels_and_numbers_that_do_not_fit_are_refused(y, samples, match):
    model = chain(layers.Dropout(0.5))
    with pytest.raises(ValueError, match=match):
        compare_dropout_inference(model, X, y, samples, from_logits=True)


def test_outputs_that_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match="one output of class probabilities"):
        compare_dropout_inference(chain(layers.Dropout(0.5)), X, Y)
    with pytest.raises(ValueError, match="must be built"):
        weight_scaling_predict(keras.Sequential([layers.Dense(2)]), X)
