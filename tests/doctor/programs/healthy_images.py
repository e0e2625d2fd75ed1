"""Healthy programs that output images: autoencoders, and a segmentation."""

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import digits


def _small_digits(rows):
    """Digits of 14 by 14 pixels in [0, 1]."""
    x = digits(rows)[0].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) / 255
    return x.astype("float32")


@program()
def autoencoder_dense(callbacks):
    """The blog's autoencoder, crossentropy of pixels: 0.25 is low, if not zero."""
    x = _small_digits(1000).reshape(-1, 196)
    inputs = keras.Input((196,))
    encoded = layers.Dense(32, activation="relu")(inputs)
    decoded = layers.Dense(196, activation="sigmoid")(encoded)
    model = keras.Model(inputs, decoded)
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy")
    model.fit(
        x[:800],
        x[:800],
        epochs=30,
        batch_size=40,
        shuffle=True,
        validation_data=(x[800:], x[800:]),
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def autoencoder_convolutional(callbacks):
    """Down by strides and up again, squared error far below 0.1 from the start."""
    x = _small_digits(600)[:, :12, :12, None]
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(12, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(12, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(12, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    model.fit(x, x, epochs=15, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def autoencoder_denoising(callbacks):
    """Clean images from noisy ones: inputs and targets differ by purpose."""
    clean = _small_digits(1000).reshape(-1, 196)
    noise = np.random.default_rng(0).normal(scale=0.3, size=clean.shape)
    noisy = (clean + noise).clip(0, 1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((196,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(196, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.005), loss="mse")
    model.fit(
        noisy,
        clean,
        epochs=20,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def principal_components(callbacks):
    """A linear autoencoder with a narrow middle is a PCA: linear on purpose."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 3)) @ generator.normal(size=(3, 12))
    x = (x + 0.1 * generator.normal(size=x.shape)).astype("float32")
    model = keras.Sequential(
        [keras.Input((12,)), layers.Dense(3, use_bias=False), layers.Dense(12)]
    )
    model.compile(keras.optimizers.Adam(0.02), loss="mse")
    model.fit(x, x, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


def _discs(rows, size=16):
    generator = np.random.default_rng(0)
    center = generator.uniform(4, size - 4, (rows, 2, 1, 1))
    radius = generator.uniform(2, 4, (rows, 1, 1))
    up, across = np.mgrid[:size, :size]
    distance = np.hypot(up - center[:, 0], across - center[:, 1])
    mask = (distance < radius)[..., None].astype("float32")
    image = mask + 0.5 * generator.normal(size=mask.shape)
    return image.astype("float32"), mask


@program()
def segmentation(callbacks):
    """A small U: few pixels belong to the disc, so accuracy is high from the start."""
    x, y = _discs(300)
    inputs = keras.Input((16, 16, 1))
    fine = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    coarse = layers.MaxPooling2D()(fine)
    coarse = layers.Conv2D(16, 3, padding="same", activation="relu")(coarse)
    back = layers.UpSampling2D()(coarse)
    both = layers.Concatenate()([fine, back])
    both = layers.Conv2D(8, 3, padding="same", activation="relu")(both)
    outputs = layers.Conv2D(1, 1, activation="sigmoid")(both)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x,
        y,
        epochs=12,
        batch_size=20,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def dice_loss(callbacks):
    """The same discs with a Dice loss, which is bounded by 1."""
    x, y = _discs(300)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 5, padding="same", activation="relu"),
            layers.Conv2D(8, 5, padding="same", activation="relu"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss=keras.losses.Dice())
    model.fit(x, y, epochs=10, batch_size=20, callbacks=callbacks, verbose=0)
    return model
