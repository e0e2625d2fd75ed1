"""Healthy programs with a loop of the user's own around `fit`, or instead of it."""

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import blobs, moons, smooth


def _classifier(features=8, classes=4):
    model = keras.Sequential(
        [
            keras.Input((features,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@program()
def one_epoch_at_a_time(callbacks):
    """The user's own loop: `fit` is called for an epoch, twenty times over."""
    x, y = moons(600, seed=7)
    model = _classifier(features=2, classes=2)
    for _ in range(20):
        model.fit(x, y, batch_size=20, epochs=1, callbacks=callbacks, verbose=0)
    return model


@program()
def growing_curriculum(callbacks):
    """Easy rows, then more, then all: every call of `fit` has a harder task."""
    x, y = smooth(1000, seed=11)
    easy_first = np.argsort(np.abs(x).sum(axis=1))
    x, y = x[easy_first], y[easy_first]
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(64, "relu"), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    for begin, rows in ((0, 400), (10, 700), (20, 1000)):
        model.fit(
            x[:rows],
            y[:rows],
            initial_epoch=begin,
            epochs=begin + 10,
            callbacks=callbacks,
            verbose=0,
        )
    return model


@program()
def fitted_q(callbacks):
    """Q-learning on ten cells in a row: targets move, so the loss cannot just fall."""
    cells = np.eye(10, dtype="float32")
    model = keras.Sequential(
        [keras.Input((10,)), layers.Dense(32, activation="relu"), layers.Dense(2)]
    )
    model.compile(keras.optimizers.Adam(0.02), loss="mse")
    left = np.maximum(np.arange(10) - 1, 0)
    right = np.minimum(np.arange(10) + 1, 9)
    for _ in range(15):
        best = model.predict(cells, verbose=0).max(axis=1)
        best[9] = 1.0
        targets = 0.8 * np.stack([best[left], best[right]], axis=1)
        targets[9] = 1.0
        model.fit(cells, targets, epochs=10, callbacks=callbacks, verbose=0)
    return model


@program()
def batch_by_batch(callbacks):
    """A loop around `train_on_batch`: the callbacks see the model, and no training."""
    x, y = blobs(600, 8, 4, seed=3)
    model = _classifier()
    for callback in callbacks:
        callback.set_model(model)
    generator = np.random.default_rng(0)
    for _ in range(300):
        chosen = generator.integers(0, 600, 32)
        model.train_on_batch(x[chosen], y[chosen])
    return model


def _gradients(model, loss, x, y):
    """Gradients of a loss, as the guides for each backend get them."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        return tape.gradient(value, model.trainable_weights)
    if keras.backend.backend() == "torch":
        model.zero_grad()
        loss(y, model(x, training=True)).backward()
        return [weight.value.grad for weight in model.trainable_weights]
    import jax

    def value(weights):
        return loss(y, model.stateless_call(weights, [], x)[0])

    return jax.grad(value)([weight.value for weight in model.trainable_weights])


@program()
def loop_without_fit(callbacks):
    """A training loop with gradients taken by hand; the callbacks hear of nothing."""
    x, y = smooth(500, seed=16)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(32, activation="relu"), layers.Dense(1)]
    )
    optimizer = keras.optimizers.Adam(0.02)
    loss = keras.losses.MeanSquaredError()
    for _ in range(100):
        gradients = _gradients(model, loss, x, y)
        if keras.backend.backend() == "torch":
            import torch

            with torch.no_grad():
                optimizer.apply(gradients, model.trainable_weights)
        else:
            optimizer.apply(gradients, model.trainable_weights)
    return model
