"""So much regularization that nothing else is learned."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _wines(callbacks, penalty):
    random = np.random.default_rng(41)
    y = random.integers(0, 3, 600)
    x = random.normal(size=(600, 13))
    x[np.arange(600), y] += 2.5
    model = keras.Sequential()
    model.add(layers.Dense(24, activation="relu", kernel_regularizer=penalty))
    model.add(layers.Dense(24, activation="relu", kernel_regularizer=penalty))
    model.add(layers.Dense(3, activation="softmax", kernel_regularizer=penalty))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    model.fit(x, y, epochs=15, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program("over_regularized")
def penalty_of_one(callbacks):
    """L2 with a factor of 1 on each layer."""
    return _wines(callbacks, keras.regularizers.L2(1.0))


@program()
def penalty_of_one_repaired(callbacks):
    """L2 with a factor of 0.0001."""
    return _wines(callbacks, keras.regularizers.L2(1e-4))


@program("over_regularized")
def absolute_penalty(callbacks):
    """L1 with a factor of 1: all kernels go to zero."""
    x = np.random.default_rng(2).normal(size=(400, 5))
    y = np.tanh(x[:, 0]) + 0.3 * x[:, 1]
    penalty = keras.regularizers.L1(1.0)
    inputs = keras.Input((5,))
    hidden = layers.Dense(16, "tanh", kernel_regularizer=penalty)(inputs)
    last = layers.Dense(1, kernel_regularizer=penalty)
    model = keras.Model(inputs, last(hidden))
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    model.fit(x, y, epochs=20, batch_size=32, callbacks=callbacks, verbose=0)
    return model


def _dropped(callbacks, rate):
    x, y = digits(800)
    x = x[..., None] / 255
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()])
    for _ in range(3):
        model.add(layers.Dense(32, activation="relu"))
        model.add(layers.Dropout(rate))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.003
    model.fit(
        x,
        y,
        epochs=10,
        batch_size=32,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("over_regularized", "underfitting")
def dropout_of_nine_tenths(callbacks):
    """The rate was taken for the share that is kept: 0.9 is dropped, three times."""
    return _dropped(callbacks, 0.9)


@program()
def dropout_of_nine_tenths_repaired(callbacks):
    """A tenth is dropped."""
    return _dropped(callbacks, 0.1)


def _sensors(callbacks, optimizer):
    random = np.random.default_rng(43)
    x = random.normal(size=(512, 9)).astype("float32")
    y = (x[:, :3].sum(axis=1) * x[:, 3] > 0).astype("float32")
    model = keras.Sequential([keras.Input((9,)), layers.Dense(64, "relu")])
    model.add(layers.Dense(32, "relu"))
    model.add(layers.Dense(1, "sigmoid"))
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, callbacks=callbacks, verbose=0)
    return model


@program("over_regularized", "wrong_optimizer_setting")
def decay_of_the_weights(callbacks):
    """AdamW with a weight decay of 20 instead of 0.002."""
    return _sensors(callbacks, keras.optimizers.AdamW(0.01, weight_decay=20.0))


@program()
def decay_of_the_weights_repaired(callbacks):
    """A weight decay of 0.002."""
    return _sensors(callbacks, keras.optimizers.AdamW(0.01, weight_decay=0.002))


def _sparse(callbacks, factor):
    x = digits(500)[0].reshape(-1, 784) / 255
    code = layers.Dense(
        32, activation="relu", activity_regularizer=keras.regularizers.L1(factor)
    )
    inputs = keras.Input((784,))
    model = keras.Model(inputs, layers.Dense(784, activation="sigmoid")(code(inputs)))
    model.compile(keras.optimizers.Adam(0.005), "mse")
    model.fit(x, x, epochs=25, batch_size=50, callbacks=callbacks, verbose=0)
    return model


@program("over_regularized", "dead_relu")
def sparse_code_of_nothing(callbacks):
    """A sparse autoencoder with so large a penalty that its code is zero."""
    return _sparse(callbacks, 1.0)


@program()
def sparse_code_of_nothing_repaired(callbacks):
    """A penalty of 0.000001."""
    return _sparse(callbacks, 1e-6)


@program("over_regularized", "underfitting")
def kernels_held_small(callbacks):
    """A constraint holds each unit's weights at a norm of at most 0.02."""
    x = np.random.default_rng(5).normal(size=(500, 4))
    y = x[:, 0] * 2 + np.abs(x[:, 1])
    hold = keras.constraints.MaxNorm(0.02)
    model = keras.Sequential()
    model.add(layers.Dense(16, activation="relu", kernel_constraint=hold))
    model.add(layers.Dense(16, activation="relu", kernel_constraint=hold))
    model.add(layers.Dense(1, kernel_constraint=hold))
    model.compile("adam", "mse")
    model.optimizer.learning_rate = 0.01
    model.fit(x, y, epochs=15, callbacks=callbacks, verbose=0)
    return model
