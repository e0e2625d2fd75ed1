"""Training and validation do not see the same task, or classes are rare."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _flowers():
    """Three kinds of flowers, fifty of each, kind after kind as in the file."""
    random = np.random.default_rng(0)
    middles = [[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]]
    x = np.concatenate([random.normal(m, 0.25, (50, 4)) for m in middles])
    return x - x.mean(axis=0), np.repeat([0, 1, 2], 50)


def _flower_net(callbacks, x, y):
    model = keras.Sequential()
    model.add(keras.Input((4,)))
    model.add(layers.Dense(10, activation="relu"))
    model.add(layers.Dense(10, activation="relu"))
    model.add(layers.Dense(3, activation="softmax"))
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(0.01),
        metrics=["accuracy"],
    )
    y = keras.utils.to_categorical(y)
    model.fit(
        x,
        y,
        epochs=25,
        batch_size=10,
        validation_split=0.33,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("data_split_problem")
def iris_split_by_class(callbacks):
    """The rows are sorted by class: the last third is a class never trained on."""
    return _flower_net(callbacks, *_flowers())


@program()
def iris_split_by_class_repaired(callbacks):
    """The rows are shuffled before the split."""
    x, y = _flowers()
    order = np.random.permutation(150)
    return _flower_net(callbacks, x[order], y[order])


@program("data_split_problem")
def cats_before_dogs(callbacks):
    """Images come from two folders, one after the other; the last are validation."""
    x, y = digits(1000)
    x = np.concatenate([x[y == 3], x[y == 5]])[:, ::2, ::2, None] / 255
    labels = np.repeat([0, 1], [(y == 3).sum(), (y == 5).sum()])
    cut = 140
    model = keras.Sequential([keras.Input((14, 14, 1))])
    model.add(layers.Conv2D(8, 3, activation="relu"))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile("nadam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.005
    valid = (x[cut:], labels[cut:])
    model.fit(
        x[:cut],
        labels[:cut],
        epochs=15,
        batch_size=10,
        validation_data=valid,
        callbacks=callbacks,
        verbose=0,
    )
    return model


def _sales(callbacks, order):
    """Prices of houses, sorted by area."""
    area = np.linspace(-1, 2, 300)
    age = np.random.default_rng(1).normal(size=300)
    x = np.stack([area, age], axis=1)[order]
    y = (area**2 - 0.3 * age)[order]
    model = keras.Sequential([layers.Dense(20, "tanh"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.04), "mse")
    model.fit(x, y, epochs=30, validation_split=0.3, callbacks=callbacks, verbose=0)
    return model


@program("data_split_problem")
def houses_sorted_by_area(callbacks):
    """The largest houses, at the end of the table, are the validation data."""
    return _sales(callbacks, np.arange(300))


@program()
def houses_sorted_by_area_repaired(callbacks):
    """The table is shuffled first."""
    return _sales(callbacks, np.random.permutation(300))


def _patients(callbacks, scale_both):
    random = np.random.default_rng(3)
    means, spreads = [120, 70, 20, 80, 32, 33], [32, 19, 16, 115, 8, 12]
    x = random.normal(means, spreads, (600, 6))
    y = (x @ [0.02, 0, 0, 0, 0.05, 0.02] > 4.7).astype(int)
    train, test = x[:450], x[450:]
    mean, spread = train.mean(axis=0), train.std(axis=0)
    train = (train - mean) / spread
    test = (test - mean) / spread if scale_both else test
    model = keras.Sequential([layers.Dense(12, "relu"), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["acc"])
    model.optimizer.learning_rate = 0.01
    valid = (test, y[450:])
    model.fit(
        train, y[:450], epochs=15, validation_data=valid, callbacks=callbacks, verbose=0
    )
    return model


@program("data_split_problem", "unnormalized_input")
def test_set_not_scaled(callbacks):
    """The training table is standardized, the validation table is not."""
    return _patients(callbacks, False)


@program()
def test_set_not_scaled_repaired(callbacks):
    """Both are standardized with the numbers of the training table."""
    return _patients(callbacks, True)


def _in_order(callbacks, shuffle):
    x, y = digits(700)
    order = np.argsort(y, kind="stable")
    x, y = x[order].reshape(-1, 784) / 255, y[order]
    model = keras.Sequential([layers.Dense(32, "relu"), layers.Dense(10, "softmax")])
    sgd = keras.optimizers.SGD(0.3)
    model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        y,
        epochs=12,
        batch_size=32,
        shuffle=shuffle,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("data_split_problem", "oscillating_loss")
def digits_in_order(callbacks):
    """Sorted rows and shuffle=False: batches of one class, one after the other."""
    return _in_order(callbacks, False)


@program()
def digits_in_order_repaired(callbacks):
    """The rows are shuffled in each epoch."""
    return _in_order(callbacks, True)
