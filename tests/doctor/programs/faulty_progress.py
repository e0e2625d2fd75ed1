"""Too few steps, steps of the wrong kind, or nothing to be learned."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _xor(callbacks, optimizer):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    y = np.array([[0], [1], [1], [0]], "float32")
    model = keras.Sequential()
    model.add(layers.Dense(8, activation="sigmoid"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(loss="mse", optimizer=optimizer, metrics=["accuracy"])
    model.fit(x, y, epochs=100, batch_size=4, callbacks=callbacks, verbose=0)
    return model


@program("slow_learning", "learning_rate_too_low", "not_learning")
def xor_by_plain_descent(callbacks):
    """XOR by sigmoids, squared error and plain descent with a learning rate of 0.01."""
    return _xor(callbacks, "sgd")


@program()
def xor_by_plain_descent_repaired(callbacks):
    """Adam with a learning rate of 0.1."""
    return _xor(callbacks, keras.optimizers.Adam(0.1))


def _whole(callbacks, batch_size, epochs):
    x, y = digits(1000)
    x = x.reshape(-1, 784) / 255
    model = keras.Sequential([layers.Dense(32, "relu"), layers.Dense(10, "softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer="sgd", loss=loss, metrics=["accuracy"])
    model.optimizer.learning_rate = 0.05
    model.fit(
        x, y, batch_size=batch_size, epochs=epochs, callbacks=callbacks, verbose=0
    )
    return model


@program("slow_learning", "underfitting", "learning_rate_too_low")
def one_step_an_epoch(callbacks):
    """The batch is the whole table, so that ten epochs are ten steps."""
    return _whole(callbacks, 1000, 10)


@program()
def one_step_an_epoch_repaired(callbacks):
    """Batches of 20."""
    return _whole(callbacks, 20, 8)


@program("slow_learning", "underfitting")
def two_epochs_only(callbacks):
    """Two epochs, and that is all."""
    random = np.random.default_rng(7)
    x = random.normal(size=(500, 10))
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2]
    model = keras.Sequential([layers.Dense(32, "relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, epochs=2, callbacks=callbacks, verbose=0)
    return model


def _topics(callbacks, optimizer):
    random = np.random.default_rng(8)
    y = random.integers(0, 4, 600)
    x = random.integers(0, 500, size=(600, 25))
    own = random.random((600, 25)) < 0.3
    x = np.where(own, random.integers(0, 30, (600, 25)) + 30 * y[:, None], x)
    inputs = keras.Input((25,), dtype="int32")
    hidden = layers.GlobalAveragePooling1D()(layers.Embedding(500, 16)(inputs))
    hidden = layers.Dense(16, activation="relu")(hidden)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(hidden))
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.fit(
        x,
        y,
        epochs=15,
        batch_size=32,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("slow_learning", "learning_rate_too_low")
def topics_by_plain_descent(callbacks):
    """Rare words in an Embedding, by SGD with a learning rate of 0.01."""
    return _topics(callbacks, "sgd")


@program()
def topics_by_plain_descent_repaired(callbacks):
    """By Adam."""
    return _topics(callbacks, keras.optimizers.Adam(0.005))


@program("not_learning", "label_problem")
def next_day_of_the_market(callbacks):
    """Whether a random walk goes up tomorrow cannot be told from the last ten days."""
    steps = np.random.default_rng(9).normal(size=910)
    x = np.stack([steps[i : i + 10] for i in range(900)])
    y = (steps[10:] > 0).astype("float32")
    model = keras.Sequential([layers.Dense(8, "tanh"), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


def _lottery():
    random = np.random.default_rng(10)
    while True:
        yield random.normal(size=(32, 6)), random.integers(0, 5, size=(32,))


@program("not_learning", "label_problem")
def lottery_from_a_generator(callbacks):
    """A generator that draws new rows, and labels that have nothing to do with them."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(24, activation="relu")])
    model.add(layers.Dense(5, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(
        _lottery(),
        steps_per_epoch=20,
        epochs=12,
        shuffle=False,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("not_learning", "underfitting")
def everything_is_frozen(callbacks):
    """All layers but the bottleneck of one unit were frozen and never thawed."""
    x, y = digits(600)
    x = x.reshape(-1, 784) / 255
    base = keras.Sequential([layers.Dense(32, "relu"), layers.Dense(1, "tanh")])
    head = layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((784,)), base, head])
    base.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=12, callbacks=callbacks, verbose=0)
    return model
