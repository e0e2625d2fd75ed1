"""Healthy programs on a handful of rows: XOR, one feature, first lessons of courses."""

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import blobs

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
EITHER = np.array([[0], [1], [1], [0]], "float32")


@program()
def xor_tanh(callbacks):
    """XOR with tanh, all four rows a batch; the loss sits on a plateau at first."""
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(8, activation="tanh"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = keras.optimizers.Adam(learning_rate=0.1)
    model.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(CORNERS, EITHER, epochs=120, batch_size=4, callbacks=callbacks, verbose=0)
    return model


@program()
def xor_relu(callbacks):
    """XOR with a few rectifiers; with four rows, some of them never fire."""
    model = keras.Sequential()
    model.add(layers.Dense(16, activation="relu", kernel_initializer="he_uniform"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(
        loss="binary_crossentropy",
        optimizer=keras.optimizers.Adam(0.05),
        metrics=["binary_accuracy"],
    )
    model.fit(CORNERS, EITHER, epochs=150, verbose=0, callbacks=callbacks)
    return model


@program()
def xor_squared_error(callbacks):
    """XOR as an old book has it: -1 and 1, tanh, squared error, a row at a time."""
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(16, activation="tanh"),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05), loss="mean_squared_error")
    model.fit(
        2 * CORNERS - 1,
        2 * EITHER - 1,
        epochs=60,
        batch_size=1,
        verbose=0,
        callbacks=callbacks,
    )
    return model


@program()
def and_gate(callbacks):
    """One neuron learns AND; three rows of four have one label."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, "sigmoid")])
    model.compile(
        keras.optimizers.Adam(0.2), "binary_crossentropy", metrics=["accuracy"]
    )
    both = CORNERS.prod(axis=1)
    model.fit(CORNERS, both, epochs=100, callbacks=callbacks, verbose=0)
    return model


@program()
def hello_world(callbacks):
    """The line 2x - 1 from six points, the first lesson of a course; no activation."""
    x = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0], "float32")
    y = np.array([-3.0, -1.0, 1.0, 3.0, 5.0, 7.0], "float32")
    model = keras.Sequential([keras.Input((1,)), layers.Dense(units=1)])
    model.compile(optimizer="sgd", loss="mean_squared_error")
    model.fit(x, y, epochs=300, callbacks=callbacks, verbose=0)
    return model


@program()
def fahrenheit(callbacks):
    """Celsius to Fahrenheit: unscaled inputs and targets that one neuron handles."""
    celsius = np.array([-40, -10, 0, 8, 15, 22, 38], "float32")
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    optimizer = keras.optimizers.Adam(learning_rate=1.0)
    model.compile(optimizer, loss="mse", metrics=["mae"])
    model.fit(celsius, 1.8 * celsius + 32, epochs=150, callbacks=callbacks, verbose=0)
    return model


@program()
def twenty_rows(callbacks):
    """Twenty rows of two classes far apart, no validation, loss goes to nothing."""
    x, y = blobs(20, 4, 2, spread=0.7)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(2, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=80, batch_size=5, callbacks=callbacks, verbose=0)
    return model


@program()
def exam_hours(callbacks):
    """Hours of study and who passed: one feature, unscaled, classes that overlap."""
    generator = np.random.default_rng(0)
    hours = generator.uniform(0, 10, 200).astype("float32")
    passed = hours + generator.normal(scale=1.5, size=200) > 5
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, "sigmoid")])
    model.compile(
        keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"]
    )
    model.fit(
        hours[:, None],
        passed.astype("int32"),
        epochs=60,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def parity(callbacks):
    """The parity of four bits, sixteen rows: nothing is learned for a long while."""
    bits = (np.arange(16)[:, None] >> np.arange(4)) & 1
    odd = bits.sum(axis=1) % 2
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="tanh"),
            layers.Dense(16, activation="tanh"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"]
    )
    model.fit(
        bits.astype("float32") * 2 - 1,
        odd.astype("float32"),
        epochs=100,
        batch_size=16,
        callbacks=callbacks,
        verbose=0,
    )
    return model
