"""The last layer's activation does not fit what is to be predicted."""

import warnings

import keras
import numpy as np
from keras import layers

from . import digits, program


def _diabetes(rows=700):
    """Eight measurements, standardized, and who fell ill."""
    random = np.random.default_rng(7)
    x = random.normal(size=(rows, 8))
    risk = 1.6 * x[:, 1] + 0.8 * x[:, 5] + 0.6 * x[:, 7] - 0.9
    return x, (risk + random.normal(size=rows) * 0.4 > 0).astype(int)


def _diabetes_net(callbacks, activation):
    x, y = _diabetes()
    model = keras.Sequential()
    model.add(layers.Dense(12, activation="relu"))
    model.add(layers.Dense(8, activation="relu"))
    model.add(layers.Dense(1, activation=activation))
    adam = keras.optimizers.Adam(0.01)
    model.compile(loss="binary_crossentropy", optimizer=adam, metrics=["accuracy"])
    model.fit(x, y, epochs=12, batch_size=25, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation")
def softmax_on_one_unit(callbacks):
    """Softmax over a single unit is always 1."""
    with warnings.catch_warnings(action="ignore"):
        return _diabetes_net(callbacks, "softmax")


@program()
def softmax_on_one_unit_repaired(callbacks):
    """A sigmoid instead of the softmax."""
    return _diabetes_net(callbacks, "sigmoid")


def _xor(callbacks, activation, epochs):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    y = np.array([[0], [1], [1], [0]], "float32")
    model = keras.Sequential([keras.Input((2,))])
    model.add(layers.Dense(16, activation="tanh"))
    model.add(layers.Dense(1, activation=activation))
    model.compile("adam", "binary_crossentropy", metrics=["binary_accuracy"])
    model.optimizer.learning_rate = 0.05
    model.fit(x, y, batch_size=1, epochs=epochs, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation", "dead_relu")
def xor_relu_output(callbacks):
    """The probability comes out of a ReLU: where it is 0 nothing moves it."""
    return _xor(callbacks, "relu", 70)


@program()
def xor_relu_output_repaired(callbacks):
    """A sigmoid puts out the probability."""
    return _xor(callbacks, "sigmoid", 70)


def _digit_net(callbacks, activation):
    x, y = digits(800)
    x = x.reshape(-1, 784) / 255
    model = keras.Sequential(
        [
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation=activation),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    y = keras.utils.to_categorical(y, 10)
    model.fit(
        x,
        y,
        batch_size=32,
        epochs=8,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("wrong_loss_or_output_activation")
def digits_without_softmax(callbacks):
    """The last layer is linear, and the loss expects probabilities."""
    return _digit_net(callbacks, None)


@program("wrong_loss_or_output_activation", "dead_relu", "loss_nan")
def digits_relu_output(callbacks):
    """A ReLU in place of the softmax, copied from the layers before."""
    return _digit_net(callbacks, "relu")


@program()
def digits_relu_output_repaired(callbacks):
    """A softmax as the last activation."""
    return _digit_net(callbacks, "softmax")


def _square(callbacks, activation):
    x = np.linspace(-4, 4, 200).reshape(-1, 1)
    y = x**2
    inputs = keras.Input((1,))
    hidden = layers.Dense(24, activation="tanh")(inputs)
    hidden = layers.Dense(24, activation="tanh")(hidden)
    model = keras.Model(inputs, layers.Dense(1, activation=activation)(hidden))
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse")
    model.fit(x, y, epochs=40, batch_size=20, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation", "unnormalized_target")
def square_through_sigmoid(callbacks):
    """A sigmoid is to output squares up to 16."""
    return _square(callbacks, "sigmoid")


@program()
def square_through_sigmoid_repaired(callbacks):
    """The last layer is linear."""
    return _square(callbacks, None)


@program("wrong_loss_or_output_activation")
def square_through_softmax(callbacks):
    """A softmax over one unit is to output a square."""
    with warnings.catch_warnings(action="ignore"):
        return _square(callbacks, "softmax")


def _sine(callbacks, activation):
    x = np.random.uniform(-3, 3, (400, 1))
    y = np.sin(x)
    model = keras.Sequential()
    model.add(keras.Input(shape=(1,)))
    model.add(layers.Dense(30, activation="tanh"))
    model.add(layers.Dense(30, activation="tanh"))
    model.add(layers.Dense(1, activation=activation))
    model.compile(loss="mean_squared_error", optimizer=keras.optimizers.Adam(0.01))
    model.fit(x, y, epochs=15, batch_size=16, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation", "dead_relu")
def sine_through_relu(callbacks):
    """A ReLU cannot output the negative half of a sine."""
    return _sine(callbacks, "relu")


@program()
def sine_through_relu_repaired(callbacks):
    """A linear output reaches both halves."""
    return _sine(callbacks, "linear")
