"""Layers that are frozen as they were initialized are told from trained ones."""

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents._recording.run_facts import untrained_frozen


def model_of(layer):
    """Return a model with one layer, which is frozen."""
    layer.trainable = False
    shape = (8, 8, 3) if isinstance(layer, layers.Conv2D) else (6, 3)
    return keras.Sequential([keras.Input(shape), layer])


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: layers.Dense(4, name="one"), "one"),
        (lambda: layers.Conv2D(4, 3, name="one"), "one"),
        (lambda: layers.LSTM(4, name="one"), "one/lstm_cell"),
        (lambda: layers.GRU(4, name="one"), "one/gru_cell"),
    ],
)
def test_a_layer_is_untrained_until_its_biases_move(make, path):
    model = model_of(make())
    assert [p.split("/", 1)[1] for p in untrained_frozen(model)] == [path]
    for weight in model.weights:
        if weight.path.endswith("bias"):
            weight.assign(weight + 0.01)
    assert untrained_frozen(model) == []


def test_layers_that_are_trained_or_have_no_bias_are_not_named():
    model = model_of(layers.Dense(4))
    model.layers[0].trainable = True
    assert untrained_frozen(model) == []
    assert untrained_frozen(model_of(layers.Dense(4, use_bias=False))) == []
    model = model_of(layers.Dense(4))
    model.layers[0].bias.assign(np.array([0, 0, 0, 2.0]))
    assert untrained_frozen(model) == []
