"""Healthy programs on sequences: recurrent, convolutional, masked, label per step."""

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import waves


@program()
def lstm_classifier(callbacks):
    """Slow or fast waves: gates saturate where they hold on to something."""
    x, y = waves(600, seed=1)
    model = keras.Sequential(
        [keras.Input((20, 1)), layers.LSTM(12), layers.Dense(1, activation="sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    model.fit(x, y, epochs=8, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def gru_forecast(callbacks):
    """The next value of a noisy sine from the twelve before it."""
    generator = np.random.default_rng(0)
    series = np.sin(0.3 * np.arange(700)) + 0.05 * generator.normal(size=700)
    series = series.astype("float32")
    windows = np.lib.stride_tricks.sliding_window_view(series[:-1], 12)
    x, y = windows[..., None].copy(), series[12:, None]
    model = keras.Sequential()
    model.add(layers.GRU(16))
    model.add(layers.Dense(1))
    model.compile(loss="mean_squared_error", optimizer=keras.optimizers.Adam(0.01))
    model.fit(
        x[:560],
        y[:560],
        epochs=12,
        shuffle=False,
        validation_data=(x[560:], y[560:]),
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def label_per_step(callbacks):
    """Is the running sum above zero? One answer for each step, both ways read."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 10, 1)).astype("float32")
    y = (x.cumsum(axis=1) > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((10, 1)),
            layers.Bidirectional(layers.LSTM(12, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(1, activation="sigmoid")),
        ]
    )
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=12, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def simple_recurrent(callbacks):
    """A plain recurrent layer that adds eight numbers up; clipped, for good measure."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (600, 8, 1)).astype("float32")
    model = keras.Sequential(
        [keras.Input((8, 1)), layers.SimpleRNN(16), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.005, clipnorm=1.0), loss="mse")
    total = x.sum(axis=1)
    model.fit(x, total, epochs=15, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def masked_lengths(callbacks):
    """Rows of zeros at the end of short sequences; Masking leaves them out."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 12, 3)).astype("float32")
    lengths = generator.integers(4, 13, 600)
    x[np.arange(12) >= lengths[:, None]] = 0.0
    y = (x[..., 0].sum(axis=1) > 0).astype("int32")
    model = keras.Sequential(
        [
            keras.Input((12, 3)),
            layers.Masking(mask_value=0.0),
            layers.GRU(12),
            layers.Dense(2, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.003)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        y,
        epochs=10,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def convolution_over_time(callbacks):
    """Convolutions along time, pooled; the labels are one-hot."""
    x, y = waves(600, steps=32)
    model = keras.Sequential(
        [
            keras.Input((32, 1)),
            layers.Conv1D(8, 5, activation="relu"),
            layers.MaxPooling1D(2),
            layers.Conv1D(16, 3, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    y = keras.utils.to_categorical(y)
    model.fit(x, y, epochs=15, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def sequence_to_sequence(callbacks):
    """Digits come back in reverse: encoder, decoder fed with the true digits."""
    generator = np.random.default_rng(0)
    source = generator.integers(0, 4, (900, 4))
    target = source[:, ::-1]
    begin = np.full((900, 1), 4)
    given = np.concatenate([begin, target[:, :-1]], axis=1)
    eye = np.eye(5, dtype="float32")
    encoder_in, decoder_in = keras.Input((None, 5)), keras.Input((None, 5))
    state = layers.GRU(48)(encoder_in)
    decoded = layers.GRU(48, return_sequences=True)(decoder_in, initial_state=state)
    outputs = layers.Dense(4, activation="softmax")(decoded)
    model = keras.Model([encoder_in, decoder_in], outputs)
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        [eye[source], eye[given]],
        target,
        epochs=12,
        batch_size=30,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def self_attention(callbacks):
    """Which of two marks comes up more often? Answered by attention and a mean."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 6, (700, 12))
    y = ((x == 1).sum(axis=1) > (x == 2).sum(axis=1)).astype("int32")
    inputs = keras.Input((12,), dtype="int32")
    tokens = layers.Embedding(6, 16)(inputs)
    attended = layers.MultiHeadAttention(num_heads=2, key_dim=8)(tokens, tokens)
    tokens = layers.LayerNormalization()(tokens + attended)
    wider = layers.Dense(32, activation="gelu")(tokens)
    tokens = layers.LayerNormalization()(tokens + layers.Dense(16)(wider))
    pooled = layers.GlobalAveragePooling1D()(tokens)
    outputs = layers.Dense(2, activation="softmax")(pooled)
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.Adam(0.003)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=8, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model
