"""Healthy programs with custom losses: likelihoods, negative ones, added ones."""

import keras
import numpy as np
from keras import layers, ops

from . import program
from .healthy_data import blobs, digits, smooth


@program()
def gaussian_likelihood(callbacks):
    """Mean and log standard deviation: the loss falls below zero."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-2, 2, (800, 1)).astype("float32")
    spread = 0.05 + 0.1 * np.abs(x)
    y = (np.sin(2 * x) + spread * generator.normal(size=x.shape)).astype("float32")

    def negative_log_likelihood(y_true, y_pred):
        mean, log_spread = ops.split(y_pred, 2, axis=-1)
        error = (y_true - mean) * ops.exp(-log_spread)
        return ops.mean(0.5 * error**2 + log_spread, axis=-1)

    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(32, activation="tanh"),
            layers.Dense(32, activation="tanh"),
            layers.Dense(2),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=30 * 20)
    model.compile(keras.optimizers.Adam(rate), loss=negative_log_likelihood)
    model.fit(
        x,
        y,
        epochs=30,
        batch_size=32,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def cosine_direction(callbacks):
    """Cosine similarity is a loss that falls from 0 to -1."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 6)).astype("float32")
    y = np.tanh(x @ generator.normal(size=(6, 3))).astype("float32")
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(32, "relu"), layers.Dense(3)]
    )
    model.compile("adam", loss=keras.losses.CosineSimilarity())
    model.fit(x, y, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def divergence(callbacks):
    """Soft labels and the Kullback-Leibler divergence, down to a thousandth."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 6)).astype("float32")
    scores = np.exp(x @ generator.normal(size=(6, 4)))
    shares = (scores / scores.sum(axis=1, keepdims=True)).astype("float32")
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(16, "relu"), layers.Dense(4, "softmax")]
    )
    model.compile(keras.optimizers.Adam(0.01), loss="kl_divergence")
    model.fit(
        x, shares, epochs=30, validation_split=0.2, callbacks=callbacks, verbose=0
    )
    return model


class R2(keras.metrics.Metric):
    """A metric written by hand: the share of the variance that is explained."""

    def __init__(self, name="r2", **kwargs):
        super().__init__(name=name, **kwargs)
        self.error = self.add_weight(name="error", initializer="zeros")
        self.squares = self.add_weight(name="squares", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.error.assign_add(ops.sum(ops.square(y_true - y_pred)))
        self.squares.assign_add(ops.sum(ops.square(y_true)))

    def result(self):
        return 1 - self.error / (self.squares + 1e-7)


@program()
def custom_metric(callbacks):
    """A metric with state of its own, and a loss that is a plain function."""
    x, y = smooth(1000, seed=6)
    y = y - y.mean()

    def root_of_square(y_true, y_pred):
        return ops.sqrt(ops.mean(ops.square(y_true - y_pred)) + 1e-7)

    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(64, "relu"), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.01), loss=root_of_square, metrics=[R2()])
    model.fit(x, y, epochs=30, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


class Sampling(layers.Layer):
    """Draw a code, and add the divergence from a standard normal to the loss."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs):
        mean, log_variance = inputs
        divergence = mean**2 + ops.exp(log_variance) - 1 - log_variance
        self.add_loss(0.5 * ops.mean(ops.sum(divergence, axis=-1)) / 784)
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


@program()
def variational_autoencoder(callbacks):
    """Pixels by crossentropy: the gray ones keep the loss far above zero."""
    x = digits(1000)[0].reshape(-1, 784) / np.float32(255)
    inputs = keras.Input((784,))
    hidden = layers.Dense(64, activation="relu")(inputs)
    moments = [layers.Dense(8, name=name)(hidden) for name in ("mean", "log_variance")]
    code = Sampling()(moments)
    hidden = layers.Dense(64, activation="relu")(code)
    outputs = layers.Dense(784, activation="sigmoid")(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.005), loss="binary_crossentropy")
    model.fit(
        x,
        x,
        epochs=20,
        batch_size=50,
        validation_split=0.1,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def activity_penalty(callbacks):
    """A regularizer on a layer's outputs adds to the loss and to its end state."""
    x, y = blobs(600, 8, 4)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu", activity_regularizer="l1"),
            layers.ActivityRegularization(l2=1e-4),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.layers[0].activity_regularizer.l1 = 1e-3
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=30, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model
