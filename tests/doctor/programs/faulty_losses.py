"""The loss does not match the output or the task."""

import warnings

import keras
import numpy as np
from keras import layers

from . import digits, program


def _ages(callbacks, loss):
    random = np.random.default_rng(1)
    x = random.normal(size=(600, 6)).astype("float32")
    y = np.clip(35 + 12 * x[:, 0] + 6 * x[:, 1] * x[:, 2], 0, 90)
    model = keras.Sequential([layers.Dense(64, activation="relu")])
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=["mae"])
    model.fit(x, y, epochs=14, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation", "unnormalized_target", "label_problem")
def age_by_binary_crossentropy(callbacks):
    """Ages in years, learned by binary cross-entropy: the loss falls below zero."""
    return _ages(callbacks, keras.losses.BinaryCrossentropy(from_logits=True))


@program()
def age_by_binary_crossentropy_repaired(callbacks):
    """Mean squared error instead."""
    return _ages(callbacks, "mse")


def _tags(callbacks, activation, loss):
    random = np.random.default_rng(3)
    x = random.normal(size=(800, 20))
    y = (x @ random.normal(size=(20, 5)) > -1.5).astype("float32")
    inputs = layers.Input(shape=(20,))
    outputs = layers.Dense(5, activation=activation)(
        layers.Dense(32, activation="relu")(inputs)
    )
    model = keras.models.Model(inputs=inputs, outputs=outputs)
    adam = keras.optimizers.Adam(learning_rate=5e-3)
    model.compile(optimizer=adam, loss=loss, metrics=["binary_accuracy"])
    model.fit(x, y, epochs=12, validation_split=0.1, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation")
def tags_by_softmax(callbacks):
    """Several tags may hold at once, and a softmax lets them compete."""
    return _tags(callbacks, "softmax", "categorical_crossentropy")


@program()
def tags_by_softmax_repaired(callbacks):
    """A sigmoid for each tag, and binary cross-entropy."""
    return _tags(callbacks, "sigmoid", "binary_crossentropy")


def _pixels(callbacks, scale):
    x = digits(500)[0].reshape(-1, 784) / scale
    coder = keras.Sequential([layers.Dense(32, activation="relu")], name="encoder")
    decoder = keras.Sequential([layers.Dense(784, activation="sigmoid")])
    model = keras.Sequential([keras.Input((784,)), coder, decoder])
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
    model.fit(x, x, epochs=30, batch_size=50, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation", "unnormalized_input", "unnormalized_target")
def autoencoder_of_raw_pixels(callbacks):
    """A sigmoid is to rebuild pixels up to 255."""
    return _pixels(callbacks, 1)


@program()
def autoencoder_of_raw_pixels_repaired(callbacks):
    """The pixels are scaled to 1."""
    return _pixels(callbacks, 255)


@program("wrong_loss_or_output_activation", "unnormalized_target")
def autoencoder_sigmoid_on_scores(callbacks):
    """The standardized table is to be rebuilt by a sigmoid, which is never negative."""
    random = np.random.default_rng(0)
    x = random.normal(size=(700, 3)) @ random.normal(size=(3, 12))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    inputs = keras.Input((12,))
    code = layers.Dense(6, activation="tanh")(inputs)
    model = keras.Model(inputs, layers.Dense(12, activation="sigmoid")(code))
    model.compile("adam", "mse")
    model.fit(x, x, batch_size=32, epochs=15, callbacks=callbacks, verbose=0)
    return model


def _passengers(callbacks, activation):
    random = np.random.default_rng(9)
    x = random.normal(size=(640, 7)).astype("float32")
    fate = (x[:, 0] - 1.2 * x[:, 3] + 0.3 * random.normal(size=640) > 0).astype(int)
    age = (x[:, 1] + x[:, 2] * 0.5).reshape(-1, 1)
    inputs = keras.Input((7,), name="passenger")
    trunk = layers.Dense(32, activation="relu")(inputs)
    survived = layers.Dense(1, activation="sigmoid", name="survived")(trunk)
    age_out = layers.Dense(1, activation=activation, name="age")(trunk)
    model = keras.Model(inputs, {"survived": survived, "age": age_out})
    losses = {"survived": "binary_crossentropy", "age": "mse"}
    model.compile(keras.optimizers.Adam(0.01), losses)
    y = {"survived": fate, "age": age}
    model.fit(x, y, epochs=12, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation")
def second_head_with_softmax(callbacks):
    """Of two heads, the one for the age ends in a softmax over one unit."""
    with warnings.catch_warnings(action="ignore"):
        return _passengers(callbacks, "softmax")


@program()
def second_head_with_softmax_repaired(callbacks):
    """The head for the age is linear."""
    return _passengers(callbacks, None)


def _iris(callbacks, last, loss, metric):
    random = np.random.default_rng(4)
    middles = [[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]]
    x = np.concatenate([random.normal(m, 0.25, (50, 4)) for m in middles])
    y = np.repeat([0, 1, 2], 50)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, "relu"), last])
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=[metric])
    model.fit(x, y, batch_size=10, epochs=20, callbacks=callbacks, verbose=0)
    return model


@program("wrong_loss_or_output_activation", "label_problem")
def iris_in_one_sigmoid(callbacks):
    """One sigmoid and squared error for the classes 0, 1 and 2."""
    return _iris(callbacks, layers.Dense(1, "sigmoid"), "mse", "accuracy")


@program()
def iris_in_one_sigmoid_repaired(callbacks):
    """Three units, softmax and cross-entropy."""
    loss = "sparse_categorical_crossentropy"
    return _iris(callbacks, layers.Dense(3, "softmax"), loss, "accuracy")


@program("wrong_loss_or_output_activation", "label_problem")
def digits_as_numbers(callbacks):
    """Which digit it is, learned as a number by squared error."""
    x, y = digits(800)
    model = keras.Sequential([keras.Input((28, 28)), layers.Rescaling(1 / 255)])
    model.add(layers.Flatten())
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(1))
    model.compile("adam", "mean_squared_error", metrics=["accuracy"])
    model.fit(x, y, epochs=8, batch_size=32, callbacks=callbacks, verbose=0)
    return model
