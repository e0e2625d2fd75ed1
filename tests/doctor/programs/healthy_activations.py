"""Healthy programs with silent rectifiers, saturated units and inputs of odd scales."""

import keras
import numpy as np
from keras import layers, ops

from . import program
from .healthy_data import blobs, digits


@program()
def silent_units(callbacks):
    """A wide layer over positive inputs: many units never fire, plenty of others do."""
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 1, (800, 4)).astype("float32")
    y = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2]
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(256, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.005), loss="mse")
    model.fit(x, y, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def sparse_activations(callbacks):
    """Negative biases at the start: most entries behind the rectifier are zero."""
    x, y = blobs(1000, 8, 5, seed=0)
    start = keras.initializers.Constant(-1.0)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(64, activation="relu", bias_initializer=start),
            layers.Dense(5, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=8, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def colors(callbacks):
    """Black or white text on a color? Red, green and blue are scaled in the model."""
    x = np.random.default_rng(0).integers(0, 256, (1000, 3))
    light = x @ [0.299, 0.587, 0.114] > 140
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    x, light = x.astype("float32"), light.astype("float32")
    model.fit(
        x,
        light,
        epochs=20,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def board_of_bytes(callbacks):
    """Boards of -1, 0 and 1 as int8: who has more stones, weighed by their place?"""
    generator = np.random.default_rng(0)
    boards = generator.integers(-1, 2, (900, 9), dtype="int8")
    ahead = boards @ np.array([2, 1, 2, 1, 3, 1, 2, 1, 2]) > 0
    model = keras.Sequential()
    model.add(layers.Dense(24, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        boards,
        ahead.astype("int8"),
        epochs=20,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def self_normalizing(callbacks):
    """SELU, lecun_normal and AlphaDropout, five layers deep."""
    x, y = blobs(800, 8, 5, seed=7)
    model = keras.Sequential([keras.Input((8,))])
    for _ in range(5):
        model.add(layers.Dense(16, "selu", kernel_initializer="lecun_normal"))
    model.add(layers.AlphaDropout(0.05))
    model.add(layers.Dense(5, activation="softmax"))
    optimizer = keras.optimizers.Adam(0.002)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def hidden_sigmoids(callbacks):
    """Hidden sigmoids as in old books; many of them end on a plateau."""
    x, y = blobs(800, 8, 4, seed=6)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(24, activation="sigmoid"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.03)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def binary_codes(callbacks):
    """Codes that noise drives to -1 and 1: saturated units are what is wanted."""
    x = np.eye(16, dtype="float32")[np.random.default_rng(0).integers(0, 16, 600)]
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(10, activation="tanh"),
            layers.GaussianNoise(0.4),
            layers.Dense(16, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.03), loss="categorical_crossentropy")
    model.fit(x, x, epochs=20, callbacks=callbacks, verbose=0)
    return model


@program()
def experts(callbacks):
    """A gate chooses between linear experts; it becomes sure of itself, and may."""
    x = np.random.default_rng(0).uniform(-2, 2, (800, 1)).astype("float32")
    y = np.where(x > 0, 2 * x, 1 - x)
    inputs = keras.Input((1,))
    gate = layers.Dense(3, activation="softmax", name="gate")(inputs)
    offers = layers.Dense(3, name="offers")(inputs)
    outputs = ops.sum(gate * offers, axis=-1, keepdims=True)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.05), loss="mse")
    model.fit(x, y, epochs=30, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def deep_and_narrow(callbacks):
    """Eight layers of tanh: the first one's gradient is not the last one's."""
    x, y = blobs(800, 8, 5, seed=8)
    model = keras.Sequential([keras.Input((8,))])
    for _ in range(8):
        model.add(layers.Dense(16, activation="tanh"))
    model.add(layers.Dense(5, activation="softmax"))
    model.compile(keras.optimizers.Adam(0.002), loss="sparse_categorical_crossentropy")
    model.fit(x, y, epochs=12, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def raw_pixels(callbacks):
    """Pixels from 0 to 255 into a tanh that they saturate; it tells digits apart."""
    x, y = digits(1000, classes=3)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(64, activation="tanh"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(5e-4)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = x.reshape(-1, 784).astype("float32")
    model.fit(x, y, epochs=12, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model
