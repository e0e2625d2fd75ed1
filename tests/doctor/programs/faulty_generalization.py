"""The training data is memorized."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _genes(callbacks, width, epochs, penalty=None):
    """Two hundred columns and sixty patients, of which few columns matter."""
    random = np.random.default_rng(51)
    x = random.normal(size=(90, 200))
    y = (x[:, :3].sum(axis=1) + random.normal(size=90) > 0).astype(int)
    model = keras.Sequential()
    model.add(layers.Dense(width, activation="relu", kernel_regularizer=penalty))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.003
    model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=10,
        validation_split=0.34,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("overfitting")
def genes_of_sixty_patients(callbacks):
    """Sixty rows of two hundred columns, and 256 units."""
    return _genes(callbacks, 256, 25)


def _few_digits(callbacks, rows, epochs):
    x, y = digits(1000)
    x = x.reshape(-1, 784) / 255
    model = keras.Sequential([keras.Input((784,)), layers.Dense(128, "relu")])
    model.add(layers.Dense(128, "relu"))
    model.add(layers.Dense(10, "softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])
    valid = (x[850:], y[850:])
    model.fit(
        x[:rows],
        y[:rows],
        epochs=epochs,
        validation_data=valid,
        batch_size=min(32, rows // 5),
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("overfitting")
def fifty_digits(callbacks):
    """Fifty images for ten digits and 120,000 weights."""
    return _few_digits(callbacks, 50, 25)


@program()
def fifty_digits_repaired(callbacks):
    """All images there are, and eight epochs."""
    return _few_digits(callbacks, 850, 8)


def _cars(callbacks, rows, epochs):
    """The mileage of cars depends on four of fifteen facts."""
    random = np.random.default_rng(52)
    x = random.normal(size=(rows + 100, 15)).astype("float32")
    y = x[:, 0] - x[:, 1] + np.tanh(x[:, 2]) + 0.3 * x[:, 3]
    y = y + random.normal(0, 0.3, len(x))
    model = keras.Sequential([layers.Dense(128, "relu"), layers.Dense(64, "relu")])
    model.add(layers.Dense(1))
    model.compile(keras.optimizers.Adam(0.003), "mse", metrics=["mae"])
    valid = (x[rows:], y[rows:])
    model.fit(
        x[:rows],
        y[:rows],
        epochs=epochs,
        batch_size=min(16, rows // 5),
        validation_data=valid,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("overfitting")
def mileage_of_twenty_cars(callbacks):
    """Twenty cars with fifteen facts each, and 10,000 weights."""
    return _cars(callbacks, 20, 30)


@program()
def mileage_of_twenty_cars_repaired(callbacks):
    """Eight hundred cars."""
    return _cars(callbacks, 800, 5)


def _comments(callbacks, words, epochs):
    """Short texts; a few words say whether they are kind."""
    random = np.random.default_rng(53)
    x = random.integers(0, words, size=(400, 15))
    y = ((x < words // 10).sum(axis=1) > 1).astype("float32")
    model = keras.Sequential([layers.Embedding(words, 32)])
    model.add(layers.Flatten())
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.005
    model.fit(
        x,
        y,
        epochs=epochs,
        validation_split=0.3,
        batch_size=28,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("overfitting")
def comments_of_rare_words(callbacks):
    """Nearly every word of the validation texts is new to the Embedding."""
    return _comments(callbacks, 5000, 25)


@program("overfitting", "label_problem")
def labels_half_by_chance(callbacks):
    """40 % of the labels are random, and the network memorizes each of them."""
    random = np.random.default_rng(54)
    x = random.normal(size=(250, 8))
    y = (x[:, 0] > 0).astype(int)
    drawn = random.random(250) < 0.4
    y[drawn] = random.integers(0, 2, drawn.sum())
    inputs = keras.Input((8,))
    hidden = layers.Dense(128, activation="relu")(inputs)
    hidden = layers.Dense(128, activation="relu")(hidden)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.005
    model.fit(
        x,
        y,
        epochs=40,
        validation_split=0.25,
        callbacks=callbacks,
        verbose=0,
    )
    return model
