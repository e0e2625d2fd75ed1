"""What several files of this half share: layers by the settings, splits and scores."""

import keras
import numpy as np
from keras import layers

from tests.doctor.bench.program import Data


def _hidden(settings, options):
    """Return the options of a hidden layer with what the settings say of them."""
    penalty = settings.penalty
    return {
        "activation": settings.activation,
        "kernel_initializer": settings.kernel_initializer or "glorot_uniform",
        "kernel_regularizer": keras.regularizers.L2(penalty) if penalty else None,
        **options,
    }


def dense(units, settings, **options):
    """Return a hidden dense layer."""
    return layers.Dense(units, **_hidden(settings, options))


def conv(filters, settings, size=3, **options):
    """Return a hidden convolution of pictures that keeps their size."""
    options = _hidden(settings, {"padding": "same", **options})
    return layers.Conv2D(filters, size, **options)


def adam(settings, rate=None):
    """Return Adam with the rate and the clipping of the settings."""
    rate = settings.rate if rate is None else rate
    return keras.optimizers.Adam(rate, clipnorm=settings.clipnorm)


def loss_of(name, settings):
    """Return the loss of this name, for logits if the settings say so."""
    if not settings.from_logits or not name.endswith("crossentropy"):
        return name
    name = name.title().replace("_", "")
    return keras.losses.get({"class_name": name, "config": {"from_logits": True}})


def freeze(model, settings):
    """Freeze the layers that the settings name."""
    for layer in model.layers:
        if layer.name in (settings.frozen or ()):
            layer.trainable = False
    return model


def split(every, train, validation=0):
    """Return the first rows to train on, the next to validate, the others to test."""
    middle = train + validation
    return Data(
        every.rows(slice(0, train)),
        every.rows(slice(train, middle)) if validation else None,
        every.rows(slice(middle, None)),
    )


def explained(truth, guess):
    """Return the share of the variance that is explained, at least -1."""
    truth, guess = truth.astype("float64"), guess.astype("float64")
    rest = ((truth - guess) ** 2).mean() / ((truth - truth.mean(0)) ** 2).mean()
    return max(-1.0, 1 - float(rest))


def beyond_chance(accuracy, classes):
    """Return an accuracy from 0 (guessing among this many classes) to 1."""
    return float((accuracy - 1 / classes) / (1 - 1 / classes))


def above(high, low):
    """Return the area under the ROC curve, from 0 (chance) to 1."""
    pairs = high[:, None] - low[None]
    return 2 * float((pairs > 0).mean() + (pairs == 0).mean() / 2) - 1


def logistic(odds):
    """Return the chance of these log odds."""
    return 1 / (1 + np.exp(-odds))
