"""Some classes are so rare that never predicting them pays off."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _frauds(callbacks, weights):
    random = np.random.default_rng(12)
    y = (random.random(1000) < 0.04).astype(int)
    x = random.normal(size=(1000, 12))
    x[y == 1, :4] += 0.8
    model = keras.Sequential([keras.Input((12,)), layers.Dense(1, "sigmoid")])
    recall = keras.metrics.Recall(name="recall")
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", recall])
    model.optimizer.learning_rate = 0.01
    model.fit(x, y, epochs=10, class_weight=weights, callbacks=callbacks, verbose=0)
    return model


@program("class_imbalance")
def rare_frauds(callbacks):
    """One row in 25 is a fraud, and the model never says so."""
    return _frauds(callbacks, None)


@program("class_imbalance")
def rare_frauds_weighted_wrongly(callbacks):
    """The weights of the classes are the wrong way round."""
    return _frauds(callbacks, {0: 25.0, 1: 1.0})


@program("class_imbalance")
def rare_kinds_of_traffic(callbacks):
    """Nine rows in ten are of one class of four, and the others are hard to tell."""
    random = np.random.default_rng(13)
    y = random.choice(4, size=900, p=[0.91, 0.03, 0.03, 0.03])
    x = random.normal(size=(900, 6))
    x[np.arange(900), y] += 1.2
    inputs = keras.Input((6,))
    hidden = layers.Dense(8, activation="tanh")(inputs)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(hidden))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=64, callbacks=callbacks, verbose=0)
    return model


def _ones(callbacks, keep):
    """Is it an eight? Images of other digits, and `keep` eights."""
    x, y = digits(1000)
    eights = np.flatnonzero(y == 8)[:keep]
    rows = np.random.permutation(np.concatenate([np.flatnonzero(y != 8)[:400], eights]))
    x, y = x[rows, ::4, ::4].reshape(len(rows), -1) / 255, y[rows] == 8
    model = keras.Sequential([layers.Dense(16, "tanh"), layers.Dense(2, "softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    y = y.astype("int32")
    model.fit(
        x,
        y,
        epochs=15,
        batch_size=32,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("class_imbalance")
def twelve_eights(callbacks):
    """Twelve eights among 400 other digits, in small images."""
    return _ones(callbacks, 12)
