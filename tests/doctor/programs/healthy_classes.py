"""Healthy programs with several classes: flowers, digits, thirty clouds of points."""

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import blobs, digits


def _flowers(rows=150):
    """Centimetres like those of the iris data, 0 to 8, unscaled."""
    generator = np.random.default_rng(0)
    means = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    labels = generator.permutation(np.arange(rows) % 3)
    return generator.normal(means[labels], 0.2).astype("float32"), labels


@program()
def iris(callbacks):
    """The course's iris: positive inputs from 0 to 8, 150 rows, batches of 5."""
    x, y = _flowers()
    model = keras.Sequential()
    model.add(keras.Input((4,)))
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(3, activation="softmax"))
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(0.005),
        metrics=["accuracy"],
    )
    model.fit(
        x,
        keras.utils.to_categorical(y),
        epochs=30,
        batch_size=5,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def digits_dense(callbacks):
    """Digits divided by 255 and flattened, dropout: training looks worse than it is."""
    x, y = digits(1000, classes=5)
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x / np.float32(255),
        y,
        epochs=12,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def digits_convolutions(callbacks):
    """Bytes as they are, with a Rescaling layer in front of the convolutions."""
    x, y = digits(1000, classes=5)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(5),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    model.fit(
        x[..., None], y, epochs=6, validation_split=0.2, callbacks=callbacks, verbose=0
    )
    return model


@program()
def batch_normalization_first(callbacks):
    """Pixels from 0 to 255 into a BatchNormalization, so nothing need be scaled."""
    x, y = digits(1000, classes=4)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.BatchNormalization(momentum=0.9),
            layers.Dropout(0.2),
            layers.Dense(32, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = x[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)).reshape(-1, 64)
    model.fit(x, y, epochs=8, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def thirty_classes(callbacks):
    """Thirty classes: the loss starts at 3.4, the accuracy at 0.03."""
    x, y = blobs(1000, 16, 30, spread=1.5)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(30, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=8, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def label_smoothing(callbacks):
    """With smoothed labels the loss never gets below 0.4, however good the model."""
    x, y = blobs(800, 8, 5)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy"],
    )
    y = keras.utils.to_categorical(y)
    model.fit(x, y, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def float_labels(callbacks):
    """Class numbers read from a file as float32, of shape (n, 1)."""
    x, y = blobs(500, 6, 4)
    model = keras.Sequential(
        [layers.Dense(24, activation="relu"), layers.Dense(4, activation="softmax")]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    y = y.astype("float32")[:, None]
    model.fit(x, y, epochs=25, callbacks=callbacks, verbose=0)
    return model


@program()
def noisy_one_hot(callbacks):
    """One row in ten has a class drawn at random; the others are all learned."""
    x, y = blobs(800, 6, 4)
    generator = np.random.default_rng(1)
    y = np.where(generator.random(800) < 0.1, generator.integers(0, 4, 800), y)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "softmax")])
    optimizer = keras.optimizers.Adam(0.02)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    y = keras.utils.to_categorical(y, 4)
    model.fit(x, y, epochs=20, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model
