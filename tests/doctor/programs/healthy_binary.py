"""Healthy programs with two classes, in every way to write labels, output and loss."""

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import blobs, moons


def _net(units, activation=None, inputs=2):
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(24, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(units, activation=activation),
        ]
    )


@program()
def binary_sigmoid(callbacks):
    """Half moons with a sigmoid, labels of shape (n, 1)."""
    x, y = moons(600)
    model = _net(1, "sigmoid")
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        y.reshape(-1, 1),
        batch_size=32,
        epochs=20,
        validation_split=0.25,
        verbose=0,
        callbacks=callbacks,
    )
    return model


@program()
def binary_two_units(callbacks):
    """Two units, softmax, one-hot labels and binary crossentropy: odd, and right."""
    x, y = moons(600, seed=1)
    model = _net(2, "softmax")
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    one_hot = keras.utils.to_categorical(y, 2)
    model.fit(x, one_hot, epochs=20, callbacks=callbacks, verbose=0)
    return model


@program()
def binary_hinge(callbacks):
    """Labels -1 and 1, tanh and hinge: the output saturates because it should."""
    x, y = moons(600, seed=2)
    model = _net(1, "tanh")
    model.compile(keras.optimizers.Adam(0.01), loss="hinge")
    model.fit(
        x[:450],
        2 * y[:450] - 1,
        epochs=25,
        validation_data=(x[450:], 2 * y[450:] - 1),
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def binary_from_logits(callbacks):
    """No activation at the end, and a loss that knows it."""
    x, y = moons(600, seed=3)
    model = _net(1)
    model.compile(
        optimizer=keras.optimizers.RMSprop(0.006),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
    )
    model.fit(x, y, epochs=25, callbacks=callbacks, verbose=0)
    return model


@program()
def boolean_labels(callbacks):
    """Labels that are the outcome of a comparison, of dtype bool."""
    x = np.random.default_rng(0).normal(size=(500, 5)).astype("float32")
    model = _net(1, "sigmoid", inputs=5)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    above = x[:, 0] + x[:, 1] > 0.2
    model.fit(x, above, epochs=30, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def multi_label(callbacks):
    """Five labels that hold or not, each on its own: rows sum to anything."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1000, 6)).astype("float32")
    y = (x @ generator.normal(size=(6, 5)) > 0.5).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(5, activation="sigmoid"),
        ]
    )
    accuracy = keras.metrics.BinaryAccuracy()
    model.compile(
        keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=[accuracy]
    )
    model.fit(x, y, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def imbalanced_learned(callbacks):
    """Five rows of six are of one class, and the other one is found all the same."""
    x, y = blobs(600, 6, 7)
    rare = (y == 0).astype("int32")
    model = _net(1, "sigmoid", inputs=6)
    model.compile(
        optimizer="adam",
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.Recall(name="recall")],
    )
    model.fit(x, rare, epochs=25, validation_split=0.25, callbacks=callbacks, verbose=0)
    return model


@program()
def class_weight_given(callbacks):
    """A rare class weighs five times as much; so the loss is that of nobody's guess."""
    x, y = blobs(600, 6, 7, seed=5)
    rare = (y == 0).astype("int32")
    model = _net(1, "sigmoid", inputs=6)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", "auc"])
    model.fit(
        x,
        rare,
        epochs=25,
        class_weight={0: 1.0, 1: 5.0},
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def label_noise(callbacks):
    """One label in five is wrong: 0.8 is the best accuracy there is, and reached."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1000, 4)).astype("float32")
    y = (x[:, 0] - x[:, 1] > 0) ^ (generator.random(1000) < 0.2)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, "sigmoid")])
    optimizer = keras.optimizers.Adam(0.03)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        y.astype("float32"),
        epochs=20,
        validation_split=0.3,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def focal_loss(callbacks):
    """Focal loss is tiny from the start, a tenth of what crossentropy would be."""
    x, y = moons(600, seed=4)
    model = _net(1, "sigmoid")
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(
        optimizer, keras.losses.BinaryFocalCrossentropy(), metrics=["accuracy"]
    )
    model.fit(x, y, epochs=20, callbacks=callbacks, verbose=0)
    return model
