"""Texts, whose words are numbers that must not be taken for amounts."""

import keras
import numpy as np
from keras import layers

from . import program


@program("wrong_loss_or_output_activation", "label_problem")
def stars_by_one_sigmoid(callbacks):
    """Reviews of up to five stars, learned as if they were good or bad."""
    random = np.random.default_rng(5)
    x = random.integers(1, 300, size=(500, 20))
    y = np.minimum((x < 40).sum(axis=1), 5)
    model = keras.Sequential()
    model.add(layers.Embedding(300, 16))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dense(1, activation="linear"))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(loss=loss, optimizer="adam", metrics=["accuracy"])
    model.fit(x, y, epochs=12, batch_size=32, callbacks=callbacks, verbose=0)
    return model


def _headlines(callbacks, first):
    """Numbers of words, and whether more than one is among the kind ones."""
    random = np.random.default_rng(71)
    x = random.integers(1, 2000, size=(400, 10))
    kind = np.arange(3, 2000, 50)
    y = random.integers(0, 2, 400)
    places = random.integers(0, 10, 400)
    x[y == 1, places[y == 1]] = random.choice(kind, (y == 1).sum())
    x[y == 1, (places[y == 1] + 3) % 10] = random.choice(kind, (y == 1).sum())
    model = keras.Sequential([keras.Input((10,)), first, layers.LSTM(12)])
    model.add(layers.Dense(1, activation="sigmoid"))
    adam = keras.optimizers.Adam(0.02)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=12, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("unnormalized_input", "saturated_activation")
def words_without_embedding(callbacks):
    """An LSTM sees the numbers of words, up to 2000, as if they were amounts."""
    return _headlines(callbacks, layers.Reshape((10, 1)))


@program()
def words_without_embedding_repaired(callbacks):
    """An Embedding comes first."""
    return _headlines(callbacks, layers.Embedding(2000, 8))


class Verdict(keras.Model):
    """The mean of what the words mean, and a decision."""

    def __init__(self, rate):
        super().__init__()
        self.words = layers.Embedding(200, 16)
        self.mean = layers.GlobalAveragePooling1D()
        self.drop = layers.Dropout(rate)
        self.decide = layers.Dense(3, activation="softmax")

    def call(self, inputs, training=None):
        means = self.mean(self.words(inputs))
        return self.decide(self.drop(means, training=training))


def _verdicts(callbacks, rate, learning_rate):
    random = np.random.default_rng(72)
    y = random.integers(0, 3, 500)
    x = random.integers(0, 200, size=(500, 16))
    own = random.random((500, 16)) < 0.4
    x = np.where(own, random.integers(0, 20, (500, 16)) + 20 * y[:, None], x)
    model = Verdict(rate)
    loss = "sparse_categorical_crossentropy"
    adam = keras.optimizers.Adam(learning_rate)
    model.compile(adam, loss, metrics=["accuracy"])
    model.fit(x, y, epochs=12, batch_size=25, callbacks=callbacks, verbose=0)
    return model


@program("learning_rate_too_low", "slow_learning")
def verdicts_by_small_steps(callbacks):
    """A rate for fine-tuning, 0.00001, and nothing that was tuned before."""
    return _verdicts(callbacks, 0.2, 1e-5)


@program()
def verdicts_by_small_steps_repaired(callbacks):
    """A learning rate of 0.01."""
    return _verdicts(callbacks, 0.2, 0.01)
