"""Healthy programs whose curves look odd: jumpy, crossing, short, or cut off."""

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import blobs, digits, smooth


@program()
def three_epochs(callbacks):
    """Three epochs are all there are, and all that is needed."""
    x, y = blobs(1000, 10, 4)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        y,
        batch_size=10,
        epochs=3,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def one_epoch(callbacks):
    """A single epoch of small batches, over a line and noise."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1000, 3)).astype("float32")
    y = x @ [1.0, -1.0, 0.5] + 0.2 * generator.normal(size=1000)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), loss="mse", metrics=["mae"])
    model.fit(x, y, batch_size=4, epochs=1, callbacks=callbacks, verbose=0)
    return model


@program()
def twenty_validated(callbacks):
    """Validation on twenty rows: one row more or less is five points of accuracy."""
    x, y = blobs(520, 6, 4, spread=1.3)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:500],
        y[:500],
        epochs=20,
        validation_data=(x[500:], y[500:]),
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def stopped_early(callbacks):
    """EarlyStopping ends a long run when validation gets no better."""
    x, y = blobs(900, 6, 4, spread=2.0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.02)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    model.fit(
        x,
        y,
        epochs=300,
        validation_split=0.25,
        callbacks=[*callbacks, stop],
        verbose=0,
    )
    return model


@program()
def training_looks_worse(callbacks):
    """Noise and half of the units gone in training: validation is far better."""
    x, y = blobs(800, 8, 5, seed=4)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.GaussianNoise(1.0),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.003)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, validation_split=0.25, callbacks=callbacks, verbose=0)
    return model


@program()
def slightly_overfitted(callbacks):
    """Validation is a little worse than training, and no longer falls at the end."""
    x, y = blobs(900, 6, 4, spread=2.0, seed=1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(24, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        y,
        epochs=35,
        validation_split=0.33,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def easier_validation(callbacks):
    """Rows of validation without the noise of training: their loss is the lower one."""
    x, y = smooth(800, noise=0.5, seed=13)
    clean = smooth(200, noise=0.0, seed=14)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(64, "relu"), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.005), loss="mse")
    model.fit(x, y, epochs=25, validation_data=clean, callbacks=callbacks, verbose=0)
    return model


@program()
def sixteen_grays(callbacks):
    """Pixels from 0 to 16, unscaled: the first loss is above that of a guess."""
    x, y = digits(1000, classes=5)
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(5, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(1e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = x[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)) / np.float32(16)
    model.fit(x, y, epochs=12, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model
