"""Healthy programs whose inputs are numbers of words, users and films."""

import keras
import numpy as np
from keras import layers, ops

from . import program


def _reviews(rows=800, words=2000, length=20, seed=0):
    """Sequences of word numbers; those of praise and of blame are 60 words each."""
    generator = np.random.default_rng(seed)
    x = generator.integers(121, words, (rows, length))
    y = generator.integers(0, 2, rows)
    for row, label in zip(x, y, strict=True):
        places = generator.choice(length, 6, replace=False)
        row[places] = generator.integers(1, 61, 6) + 60 * label
    return x.astype("int32"), y.astype("float32")


@program()
def reviews_averaged(callbacks):
    """Word numbers up to 2000, averaged: inputs are large, and are not quantities."""
    x, y = _reviews()
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(2000, 16),
            layers.GlobalAveragePooling1D(),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=15, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def reviews_padded(callbacks):
    """Padded with 0 and masked, read by an LSTM; word numbers given as float32."""
    x, y = _reviews(seed=1)
    lengths = np.random.default_rng(0).integers(16, 21, len(x))
    x[np.arange(20) >= lengths[:, None]] = 0
    model = keras.Sequential()
    model.add(layers.Embedding(input_dim=2000, output_dim=16, mask_zero=True))
    model.add(layers.LSTM(16))
    model.add(layers.Dense(1, activation="sigmoid"))
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    model.fit(
        x.astype("float32"),
        y,
        epochs=4,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def reviews_convolved(callbacks):
    """Embedding, convolution, maximum; two thirds of the vocabulary are rarely seen."""
    x, y = _reviews(seed=2)
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Embedding(2000, 16),
            layers.SpatialDropout1D(0.2),
            layers.Conv1D(24, 3, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(1),
        ]
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss)
    model.fit(x, y, epochs=8, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def film_ratings(callbacks):
    """Stars from 1 to 5 by the product of a user's and a film's vector."""
    generator = np.random.default_rng(0)
    users, films = generator.integers(0, 30, 1000), generator.integers(0, 20, 1000)
    taste, kind = generator.normal(size=(30, 2)), generator.normal(size=(20, 2))
    stars = 3 + (taste[users] * kind[films]).sum(axis=1)
    stars = stars.round().clip(1, 5).astype("float32")
    user, film = keras.Input((1,), name="user"), keras.Input((1,), name="film")
    user_vector = layers.Flatten()(layers.Embedding(30, 4)(user))
    film_vector = layers.Flatten()(layers.Embedding(20, 4)(film))
    product = layers.Dot(axes=1)([user_vector, film_vector])
    bias = keras.initializers.Constant(3.0)
    model = keras.Model([user, film], layers.Dense(1, bias_initializer=bias)(product))
    model.compile(keras.optimizers.Adam(0.02), loss="mse")
    model.fit([users, films], stars, epochs=12, callbacks=callbacks, verbose=0)
    return model


@program()
def next_letter(callbacks):
    """The next letter of a text, by the two before it: a loss that nears one half."""
    text = "the cat sat on the mat and the rat ran to the hat " * 18
    letters = sorted(set(text))
    numbers = np.array([letters.index(letter) for letter in text])
    x = np.stack([numbers[:-2], numbers[1:-1]], axis=1)
    model = keras.Sequential(
        [
            keras.Input((2,), dtype="int32"),
            layers.Embedding(len(letters), 8),
            layers.Flatten(),
            layers.Dense(32, activation="tanh"),
            layers.Dense(len(letters), activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, numbers[2:], epochs=20, callbacks=callbacks, verbose=0)
    return model


class TinyTransformer(keras.Model):
    """A language model: causal attention, and weights shared with the embedding."""

    def __init__(self, words, length, width, **kwargs):
        super().__init__(**kwargs)
        self.words = layers.Embedding(words, width)
        self.places = layers.Embedding(length, width)
        self.attention = layers.MultiHeadAttention(2, width // 2)
        self.normalization = layers.LayerNormalization()
        self.hidden = layers.Dense(2 * width, activation="relu")
        self.back = layers.Dense(width, kernel_initializer="zeros")
        self.bias = layers.Dense(words)

    def call(self, inputs):
        x = self.words(inputs) + self.places(ops.arange(inputs.shape[1]))
        x = x + self.attention(x, x, use_causal_mask=True)
        x = x + self.back(self.hidden(self.normalization(x)))
        return self.bias(x)


@program()
def language_model(callbacks):
    """Counting upwards from anywhere: the first steps of a row cannot be guessed."""
    generator = np.random.default_rng(0)
    step = generator.integers(1, 4, (600, 1))
    start = generator.integers(0, 10, (600, 1))
    rows = (start + step * np.arange(9)) % 10
    model = TinyTransformer(words=10, length=8, width=24)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    model.fit(
        rows[:, :-1],
        rows[:, 1:],
        epochs=15,
        batch_size=25,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model
