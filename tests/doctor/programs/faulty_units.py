"""Units that do not fire, or do not tell one input from another; or too few."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _small_images(callbacks, optimizer, bias="zeros"):
    x, y = digits(500)
    x = x[:, ::2, ::2, None] / 255
    model = keras.Sequential([keras.Input((14, 14, 1))])
    model.add(layers.Conv2D(8, 3, activation="relu", bias_initializer=bias))
    model.add(layers.MaxPooling2D(2))
    model.add(layers.Conv2D(16, 3, activation="relu"))
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    model.fit(
        x,
        y,
        epochs=12,
        batch_size=25,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("dead_relu", "learning_rate_too_high")
def convolutions_killed_by_steps(callbacks):
    """The first large steps of Adam push all ReLUs below zero for good."""
    return _small_images(callbacks, keras.optimizers.Adam(0.3))


@program("dead_relu", "bad_initialization")
def convolutions_born_dead(callbacks):
    """The first convolution starts with biases of -4."""
    bias = keras.initializers.Constant(-4)
    return _small_images(callbacks, keras.optimizers.Adam(0.001), bias)


@program()
def convolutions_born_dead_repaired(callbacks):
    """Biases of zero, and small steps."""
    return _small_images(callbacks, keras.optimizers.Adam(0.003))


@program("dead_relu", "unnormalized_input", "learning_rate_too_high")
def parabola_kills_relus(callbacks):
    """Inputs up to 50 and steps of 0.01: after the first ones no ReLU fires again."""
    x = np.arange(-50, 50, 0.5).reshape(-1, 1)
    y = (x / 50) ** 2
    model = keras.Sequential()
    model.add(layers.Dense(20, activation="relu"))
    model.add(layers.Dense(20, activation="relu"))
    model.add(layers.Dense(1, activation="relu"))
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.01))
    model.fit(x, y, epochs=25, batch_size=20, callbacks=callbacks, verbose=0)
    return model


@program("saturated_activation", "unnormalized_input")
def parabola_on_plateaus(callbacks):
    """Inputs up to 50 put nearly all sigmoids on a plateau."""
    x = np.arange(-50, 50, 0.5).reshape(-1, 1)
    y = ((x / 50) ** 2 > 0.3).astype(float)
    wide = keras.initializers.RandomNormal(stddev=2.0, seed=0)
    model = keras.Sequential([keras.Input((1,))])
    model.add(layers.Dense(10, "tanh", kernel_initializer=wide))
    model.add(layers.Dense(10, "tanh", kernel_initializer=wide))
    model.add(layers.Dense(1, "sigmoid"))
    model.compile(keras.optimizers.SGD(0.05), "binary_crossentropy", metrics=["acc"])
    model.fit(x, y, epochs=30, batch_size=20, callbacks=callbacks, verbose=0)
    return model


def _waves(callbacks, width, activation="tanh"):
    x = np.linspace(-6, 6, 300).reshape(-1, 1)
    y = np.sin(x)
    inputs = keras.Input((1,))
    hidden = layers.Dense(width, activation)(inputs)
    hidden = layers.Dense(width, activation)(hidden)
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    model.fit(x, y, epochs=40, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("underfitting")
def sine_by_one_unit(callbacks):
    """One hidden unit is to follow two periods of a sine."""
    return _waves(callbacks, 1)


@program()
def sine_by_one_unit_repaired(callbacks):
    """Thirty-two units do."""
    return _waves(callbacks, 32)


def _through(callbacks, width):
    x, y = digits(800)
    model = keras.Sequential([keras.Input((28, 28)), layers.Rescaling(1 / 255)])
    model.add(layers.Flatten())
    model.add(layers.Dense(width, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("underfitting")
def digits_through_one_unit(callbacks):
    """Ten digits have to go through a single unit."""
    return _through(callbacks, 1)


@program()
def digits_through_one_unit_repaired(callbacks):
    """They go through 32."""
    return _through(callbacks, 32)


@program("underfitting")
def spiral_by_two_units(callbacks):
    """Two hidden units for two spirals."""
    turn = np.random.default_rng(6).uniform(0.5, 3 * np.pi, 500)
    y = np.arange(500) % 2
    side = np.where(y == 0, 1, -1) * turn / 4
    x = np.stack([side * np.cos(turn), side * np.sin(turn)], axis=1)
    model = keras.Sequential([layers.Dense(2, "relu"), layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["acc"])
    model.fit(x, y, epochs=25, batch_size=50, callbacks=callbacks, verbose=0)
    return model
