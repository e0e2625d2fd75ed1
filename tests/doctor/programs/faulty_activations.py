"""Layers without an activation between them are one linear layer."""

import keras
import numpy as np
from keras import layers

from . import program


def _xor(callbacks, activation):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([0, 1, 1, 0])
    model = keras.Sequential()
    model.add(layers.Dense(16, activation=activation))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(
        loss="binary_crossentropy",
        optimizer=keras.optimizers.Adam(learning_rate=0.1),
        metrics=["accuracy"],
    )
    model.fit(x, y, epochs=100, callbacks=callbacks, verbose=0)
    return model


@program("missing_activation")
def xor_without_activation(callbacks):
    """XOR, and the hidden layer is linear."""
    return _xor(callbacks, None)


@program()
def xor_without_activation_repaired(callbacks):
    """The hidden layer has a tanh."""
    return _xor(callbacks, "tanh")


def _circles(callbacks, activation):
    random = np.random.default_rng(3)
    angle, y = random.uniform(0, 2 * np.pi, 500), random.integers(0, 2, 500)
    radius = np.where(y == 1, 1.0, 0.4) + random.normal(0, 0.08, 500)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    inputs = keras.Input(shape=(2,))
    hidden = inputs
    for units in (32, 32, 16):
        hidden = layers.Dense(units)(hidden)
        if activation:
            hidden = layers.Activation(activation)(hidden)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
    adam = keras.optimizers.Adam(0.01)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=15, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program("missing_activation")
def circles_by_linear_layers(callbacks):
    """Two circles, one in the other, and three linear layers."""
    return _circles(callbacks, None)


@program()
def circles_by_linear_layers_repaired(callbacks):
    """A ReLU after each layer."""
    return _circles(callbacks, "relu")


def _square(callbacks, activation):
    x = np.arange(-10, 10, 0.1, dtype="float32")
    y = x**2 / 100
    model = keras.Sequential([keras.Input((1,))])
    model.add(layers.Dense(64, activation=activation))
    model.add(layers.Dense(64, activation=activation))
    model.add(layers.Dense(1))
    model.compile(loss="mse", optimizer="adam", metrics=["mae"])
    for _ in range(20):
        model.fit(x / 10, y, batch_size=16, callbacks=callbacks, verbose=0)
    return model


@program("missing_activation")
def square_by_linear_layers(callbacks):
    """A parabola by three linear layers; fit is called once for each epoch."""
    return _square(callbacks, None)


@program()
def square_by_linear_layers_repaired(callbacks):
    """With ReLU in the two hidden layers."""
    return _square(callbacks, "relu")


class Interaction(keras.Model):
    """A network for products of inputs, whose author forgot something."""

    def __init__(self, activation):
        super().__init__()
        self.first = layers.Dense(48, activation=activation)
        self.second = layers.Dense(24, activation=activation)
        self.last = layers.Dense(1)

    def call(self, inputs):
        return self.last(self.second(self.first(inputs)))


def _products(callbacks, activation):
    x = np.random.default_rng(5).uniform(-1, 1, (800, 3)).astype("float32")
    y = x[:, 0] * x[:, 1] * 2 + x[:, 2] ** 2
    model = Interaction(activation)
    model.compile(keras.optimizers.RMSprop(0.005), loss="mse")
    model.fit(x, y, epochs=16, batch_size=40, callbacks=callbacks, verbose=0)
    return model


@program("missing_activation")
def products_by_linear_layers(callbacks):
    """A subclassed model of linear layers is to learn products of its inputs."""
    return _products(callbacks, None)


@program()
def products_by_linear_layers_repaired(callbacks):
    """Its layers have a ReLU."""
    return _products(callbacks, "relu")


def _pulses(callbacks, activation):
    """Is there a pulse, up or down, anywhere in the signal?"""
    random = np.random.default_rng(9)
    x = random.normal(0, 0.1, size=(600, 32, 1))
    y = random.integers(0, 2, 600)
    for row in np.flatnonzero(y):
        start = random.integers(0, 28)
        x[row, start : start + 4] += random.choice([-1.0, 1.0])
    model = keras.Sequential([keras.Input((32, 1))])
    model.add(layers.Conv1D(8, 5, padding="same", activation=activation))
    model.add(layers.Conv1D(8, 5, padding="same", activation=activation))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.01
    model.fit(x, y, epochs=15, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("missing_activation")
def pulses_by_linear_convolutions(callbacks):
    """Two linear convolutions and a mean: pulses up and down cancel each other."""
    return _pulses(callbacks, None)


@program()
def pulses_by_linear_convolutions_repaired(callbacks):
    """The convolutions have a ReLU."""
    return _pulses(callbacks, "relu")
