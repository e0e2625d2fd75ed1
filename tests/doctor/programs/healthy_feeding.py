"""Healthy programs fed by generators and datasets."""

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import blobs


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


def _batches(x, y, size=32):
    """Give random batches for ever, as generators in tutorials do."""
    generator = np.random.default_rng(0)
    while True:
        chosen = generator.integers(0, len(x), size)
        yield x[chosen], y[chosen]


@program()
def endless_generator(callbacks):
    """A Python generator that never ends; how many rows there are is not known."""
    x, y = blobs(800, 8, 4)
    model = _classifier()
    model.fit(
        _batches(x[:600], y[:600]),
        steps_per_epoch=20,
        epochs=15,
        shuffle=False,
        validation_data=_batches(x[600:], y[600:]),
        validation_steps=5,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def weighted_generator(callbacks):
    """A generator of inputs, targets and weights of rows, fresh rows every time."""
    generator = np.random.default_rng(0)

    def rows():
        while True:
            x = generator.normal(size=(32, 2)).astype("float32")
            y = np.sin(x[:, :1]) * x[:, 1:]
            yield x, y, np.exp(-np.abs(x[:, 0]))

    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(32, activation="tanh"), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    model.fit(
        rows(),
        steps_per_epoch=25,
        epochs=25,
        shuffle=False,
        callbacks=callbacks,
        verbose=0,
    )
    return model


class Augmented(keras.utils.PyDataset):
    """Batches of points with fresh noise, in a new order every epoch."""

    def __init__(self, x, y, size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.size = x, y, size
        self.generator = np.random.default_rng(0)
        self.order = np.arange(len(x))

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, index):
        rows = self.order[index * self.size : (index + 1) * self.size]
        noise = 0.1 * self.generator.normal(size=self.x[rows].shape)
        return self.x[rows] + noise.astype("float32"), self.y[rows]

    def on_epoch_end(self):
        self.generator.shuffle(self.order)


@program()
def dataset_of_batches(callbacks):
    """A PyDataset that augments: what is trained on is harder than what is given."""
    x, y = blobs(800, 8, 4, seed=1)
    model = _classifier()
    model.fit(
        Augmented(x[:600], y[:600], 25),
        epochs=15,
        validation_data=(x[600:], y[600:]),
        callbacks=callbacks,
        verbose=0,
    )
    return model


def _pipeline(x, y):
    """A tf.data pipeline on TensorFlow, a DataLoader on torch, else a PyDataset."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices((x, y))
        return dataset.shuffle(len(x), seed=0).batch(25).prefetch(2)
    if backend == "torch":
        import torch

        rows = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
        return torch.utils.data.DataLoader(rows, batch_size=25, shuffle=True)
    return Augmented(x, y, 25)


@program()
def dataset_of_backend(callbacks):
    """The backend's own kind of dataset, for training and for validation."""
    x, y = blobs(800, 8, 4, seed=2)
    model = _classifier()
    model.fit(
        _pipeline(x[:600], y[:600]),
        epochs=15,
        shuffle=False,
        validation_data=_pipeline(x[600:], y[600:]),
        callbacks=callbacks,
        verbose=0,
    )
    return model
