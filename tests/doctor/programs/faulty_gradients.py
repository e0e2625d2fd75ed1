"""Gradients vanish or explode on their way to the first layers."""

import keras
import numpy as np
from keras import layers, ops

from . import digits, program


def _deep(callbacks, activation):
    x, y = digits(700)
    x = x.reshape(-1, 784) / 255
    model = keras.Sequential()
    for _ in range(8):
        model.add(layers.Dense(32, activation=activation))
    model.add(layers.Dense(10, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("vanishing_gradient")
def eight_layers_of_sigmoid(callbacks):
    """Eight layers of sigmoids on digits."""
    return _deep(callbacks, "sigmoid")


@program()
def eight_layers_of_sigmoid_repaired(callbacks):
    """ReLU instead of the sigmoids."""
    return _deep(callbacks, "relu")


@program("vanishing_gradient", "saturated_activation")
def memory_of_sigmoids(callbacks):
    """A SimpleRNN of sigmoids has to remember the first of forty signals."""
    random = np.random.default_rng(1)
    x = random.normal(size=(400, 40, 1)).astype("float32") * 0.2
    y = random.integers(0, 2, 400)
    x[:, 0, 0] = 2 * y - 1
    model = keras.Sequential([keras.Input((40, 1))])
    model.add(layers.SimpleRNN(12, activation="sigmoid"))
    model.add(layers.Dense(1, activation="sigmoid"))
    adam = keras.optimizers.Adam(0.01)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=6, batch_size=40, callbacks=callbacks, verbose=0)
    return model


def _adding(callbacks, diagonal):
    """Half the sum of eighteen numbers."""
    x = np.random.default_rng(1).uniform(-1, 1, size=(400, 18, 1))
    y = x.sum(axis=1) / 2
    cell = layers.SimpleRNN(
        20,
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.3, seed=1),
        recurrent_initializer=keras.initializers.Identity(diagonal),
    )
    model = keras.Sequential([keras.Input((18, 1)), cell, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.005), loss="mse")
    model.fit(x, y, epochs=9, batch_size=25, callbacks=callbacks, verbose=0)
    return model


@program("exploding_gradient", "bad_initialization")
def recurrent_relu_grows(callbacks):
    """A recurrent kernel of 1.5 on the diagonal, with ReLU: states grow each step."""
    return _adding(callbacks, 1.5)


@program()
def recurrent_relu_grows_repaired(callbacks):
    """One on the diagonal: states are kept."""
    return _adding(callbacks, 1.0)


class Step(layers.Layer):
    """Fires or does not, as a textbook perceptron."""

    def call(self, inputs):
        return ops.sign(inputs) * 0.5 + 0.5


def _perceptron(callbacks, activation):
    x = np.random.default_rng(2).uniform(-1, 1, (400, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype("float32")
    inputs = keras.Input((2,))
    hidden = activation()(layers.Dense(4)(inputs))
    hidden = activation()(layers.Dense(4)(hidden))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.03
    model.fit(x, y, epochs=20, batch_size=25, callbacks=callbacks, verbose=0)
    return model


@program("vanishing_gradient", "not_learning")
def perceptron_with_steps(callbacks):
    """Steps for activations have no gradient: only the last layer learns."""
    return _perceptron(callbacks, Step)


@program()
def perceptron_with_steps_repaired(callbacks):
    """ReLU in their place."""
    return _perceptron(callbacks, layers.ReLU)


class Tower(keras.Model):
    """Six layers, one upon the other."""

    def __init__(self, spread):
        super().__init__()
        start = keras.initializers.RandomNormal(stddev=spread, seed=3)
        self.rows = [
            layers.Dense(16, "relu", kernel_initializer=start) for _ in range(6)
        ]
        self.last = layers.Dense(1)

    def call(self, inputs):
        for row in self.rows:
            inputs = row(inputs)
        return self.last(inputs)


def _tower(callbacks, spread):
    x = np.random.default_rng(4).normal(size=(512, 8)).astype("float32")
    y = x[:, 0] - 0.5 * np.abs(x[:, 1])
    model = Tower(spread)
    model.compile(keras.optimizers.SGD(0.02), loss="mse")
    model.fit(x, y, epochs=20, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("exploding_gradient", "bad_initialization", "loss_nan")
def tower_of_large_kernels(callbacks):
    """Each of six layers makes its inputs four times as large."""
    return _tower(callbacks, 1.5)


@program("vanishing_gradient", "bad_initialization")
def tower_of_small_kernels(callbacks):
    """Each of six layers makes its inputs seven times as small."""
    return _tower(callbacks, 0.05)


@program()
def tower_of_large_kernels_repaired(callbacks):
    """Kernels with He initialization keep the size of what goes through."""
    return _tower(callbacks, (2 / 16) ** 0.5)
