"""The labels are not what their author believes."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _shapes(rows=500, seed=11):
    """Four blobs on a plane, mixed."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 4, rows)
    middles = np.array([[2, 2], [-2, 2], [-2, -2], [2, -2]])
    return middles[y] + random.normal(size=(rows, 2)) * 0.7, y


@program("label_problem", "not_learning")
def blobs_shuffled_without_labels(callbacks):
    """The rows are shuffled, and the labels are not."""
    x, y = _shapes()
    np.random.shuffle(x)
    return _blob_net(callbacks, x, y)


@program()
def blobs_shuffled_without_labels_repaired(callbacks):
    """One permutation for both."""
    x, y = _shapes()
    order = np.random.permutation(len(x))
    return _blob_net(callbacks, x[order], y[order])


def _blob_net(callbacks, x, y):
    model = keras.Sequential()
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(4, activation="softmax"))
    adam = keras.optimizers.Adam(0.01)
    loss = "sparse_categorical_crossentropy"
    model.compile(adam, loss, metrics=["accuracy"])
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


@program("label_problem", "overfitting")
def digits_shuffled_without_labels(callbacks):
    """The images are shuffled and their labels are not: they are memorized."""
    x, y = digits(600)
    x = np.random.permutation(x).reshape(-1, 784) / 255
    train, valid = (x[:450], y[:450]), (x[450:], y[450:])
    model = keras.Sequential([keras.Input((784,)), layers.Dense(128, "relu")])
    model.add(layers.Dense(10, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.003
    model.fit(*train, epochs=20, validation_data=valid, callbacks=callbacks, verbose=0)
    return model


def _churn(callbacks, relabel):
    random = np.random.default_rng(2)
    x = random.normal(size=(500, 10))
    y = relabel((x[:, 0] + x[:, 1] > 0).astype("float32"))
    inputs = keras.Input((10,))
    hidden = layers.Dense(16, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    metric = keras.metrics.BinaryAccuracy(threshold=0)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=[metric])
    model.fit(x, y, epochs=15, batch_size=25, callbacks=callbacks, verbose=0)
    return model


@program("label_problem", "wrong_loss_or_output_activation")
def labels_one_and_two(callbacks):
    """The classes are called 1 and 2 where 0 and 1 are meant."""
    return _churn(callbacks, lambda y: y + 1)


@program("label_problem", "wrong_loss_or_output_activation")
def labels_minus_and_plus_one(callbacks):
    """The classes are -1 and 1, as for a support vector machine."""
    return _churn(callbacks, lambda y: 2 * y - 1)


@program()
def labels_minus_and_plus_one_repaired(callbacks):
    """The classes are 0 and 1."""
    return _churn(callbacks, lambda y: y)


@program("label_problem")
def labels_all_of_one_class(callbacks):
    """A mistake in the comparison makes every label 0: nothing is to be learned."""
    random = np.random.default_rng(8)
    x = random.normal(size=(300, 5))
    grade = 50 + 10 * x[:, 0]
    y = (grade > 100).astype("float32")
    model = keras.Sequential([layers.Dense(8, activation="relu")])
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.02
    model.fit(x, y, epochs=10, callbacks=callbacks, verbose=0)
    return model


@program("label_problem", "wrong_loss_or_output_activation", "unnormalized_target")
def mask_of_255(callbacks):
    """A small network segments images; the mask holds 0 and 255 instead of 1."""
    return _masks(callbacks, 255)


@program()
def mask_of_255_repaired(callbacks):
    """The mask holds 0 and 1."""
    return _masks(callbacks, 1)


def _masks(callbacks, top):
    x = digits(200)[0][:, ::2, ::2, None] / 255
    mask = (x > 0.5) * float(top)
    net = keras.Sequential([keras.Input((14, 14, 1))])
    net.add(layers.Conv2D(8, 3, padding="same", activation="relu"))
    net.add(layers.Conv2D(1, 3, padding="same"))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    net.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    net.fit(x, mask, epochs=15, batch_size=20, callbacks=callbacks, verbose=0)
    return net


@program("label_problem", "wrong_loss_or_output_activation")
def one_hot_cut_short(callbacks):
    """One class has no column: its rows of targets are all zeros."""
    x, y = _shapes(seed=5)
    targets = keras.utils.to_categorical(y, 4)[:, :3]
    model = keras.Sequential([keras.Input((2,)), layers.Dense(12, activation="tanh")])
    model.add(layers.Dense(3, activation="softmax"))
    model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, targets, epochs=12, batch_size=20, callbacks=callbacks, verbose=0)
    return model


@program("label_problem", "loss_nan")
def missing_prices(callbacks):
    """Some prices are missing, and NaN takes their place."""
    random = np.random.default_rng(6)
    x = random.normal(size=(400, 4))
    y = x @ [1.0, -2.0, 0.5, 0.0] + 0.1 * random.normal(size=400)
    y[random.integers(0, 400, 6)] = np.nan
    model = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    model.fit(x, y, epochs=8, validation_split=0.25, callbacks=callbacks, verbose=0)
    return model
