"""Steps that are too large or too small."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _line(callbacks, rate, momentum=0.0):
    """Ten points on a line: the first network that anybody trains."""
    x = np.arange(-4, 6, dtype="float32").reshape(-1, 1)
    y = 2 * x - 1
    model = keras.Sequential([keras.Input(shape=(1,)), layers.Dense(1)])
    sgd = keras.optimizers.SGD(rate, momentum=momentum)
    model.compile(optimizer=sgd, loss="mean_squared_error")
    model.fit(x, y, epochs=90, callbacks=callbacks, verbose=0)
    return model


@program("learning_rate_too_high", "exploding_gradient", "loss_nan")
def line_by_steps_of_ten(callbacks):
    """Plain gradient descent with a learning rate of 10."""
    return _line(callbacks, 10.0)


@program("learning_rate_too_low", "slow_learning")
def line_by_tiny_steps(callbacks):
    """Plain gradient descent with a learning rate of 0.00001."""
    return _line(callbacks, 1e-5)


@program()
def line_by_steps_of_ten_repaired(callbacks):
    """A learning rate of 0.03."""
    return _line(callbacks, 0.03)


def _digit_net(callbacks, optimizer):
    x, y = digits(800)
    inputs = keras.Input((28, 28))
    hidden = layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
    hidden = layers.Dense(48, activation="relu")(hidden)
    hidden = layers.Dense(48, activation="relu")(hidden)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    model.fit(
        x,
        y,
        validation_split=0.25,
        epochs=12,
        batch_size=32,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("learning_rate_too_high", "dead_relu")
def digits_by_adam_of_one(callbacks):
    """Adam with a learning rate of 1 on digits."""
    return _digit_net(callbacks, keras.optimizers.Adam(1.0))


@program("learning_rate_too_low", "slow_learning")
def digits_by_adam_of_a_millionth(callbacks):
    """Adam with a learning rate of 0.000001 on digits."""
    return _digit_net(callbacks, keras.optimizers.Adam(1e-6))


@program("learning_rate_too_low", "slow_learning", "wrong_optimizer_setting")
def schedule_falls_at_once(callbacks):
    """The learning rate is divided by 10 at every step instead of every epoch."""
    fall = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.1)
    return _digit_net(callbacks, keras.optimizers.SGD(fall))


@program()
def schedule_falls_at_once_repaired(callbacks):
    """It falls by a tenth in each epoch."""
    fall = keras.optimizers.schedules.ExponentialDecay(0.1, 19, 0.9)
    return _digit_net(callbacks, keras.optimizers.SGD(fall))


def _fuel(callbacks, rate):
    """Miles per gallon from seven facts of a car, one row a step."""
    random = np.random.default_rng(23)
    x = random.normal(size=(60, 7))
    y = x @ random.normal(size=7) + 0.1 * random.normal(size=60)
    model = keras.Sequential([layers.Dense(16, activation="tanh"), layers.Dense(1)])
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(rate), metrics=["mae"])
    model.fit(x, y, batch_size=1, epochs=7, callbacks=callbacks, verbose=0)
    return model


@program("learning_rate_too_high", "oscillating_loss", "exploding_gradient")
def fuel_row_by_row(callbacks):
    """Batches of 1 and a learning rate of 0.06: each step undoes the others."""
    return _fuel(callbacks, 0.06)


@program()
def fuel_row_by_row_repaired(callbacks):
    """A learning rate of 0.02."""
    return _fuel(callbacks, 0.02)


def _words(callbacks, rate):
    random = np.random.default_rng(2)
    x = random.integers(0, 50, (300, 12))
    y = (np.isin(x, [3, 7, 11, 19]).any(axis=1)).astype("int32")
    model = keras.Sequential([layers.Embedding(50, 8), layers.GRU(12)])
    model.add(layers.Dense(2, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=30, epochs=14, callbacks=callbacks, verbose=0)
    return model


@program("learning_rate_too_high", "oscillating_loss", "saturated_activation")
def words_by_large_steps(callbacks):
    """A GRU on words, by Adam with a learning rate of 1."""
    return _words(callbacks, 1.0)


@program()
def words_by_large_steps_repaired(callbacks):
    """A learning rate of 0.02."""
    return _words(callbacks, 0.02)


@program("oscillating_loss", "learning_rate_too_high", "wrong_optimizer_setting")
def valley_with_momentum(callbacks):
    """A momentum of 0.99 with a large learning rate swings from side to side."""
    x = np.random.default_rng(3).normal(size=(200, 3)) * [1.0, 2.0, 3.0]
    y = x @ [6.0, -4.0, 5.0]
    model = keras.Sequential([layers.Dense(1)])
    sgd = keras.optimizers.SGD(0.05, momentum=0.99)
    model.compile(sgd, "mse")
    model.fit(x, y, batch_size=200, epochs=60, callbacks=callbacks, verbose=0)
    return model
