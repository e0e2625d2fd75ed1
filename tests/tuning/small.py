"""A search small enough for tests: data, a build function, and a search of it."""

import keras
import numpy as np

from kcomponents import tuning

ROWS = 96


def data():
    """Return data that a small net learns, for training and for validation."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * ROWS, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    return (x[:ROWS], y[:ROWS]), (x[ROWS:], y[ROWS:])


def build(hp):
    """Return a net whose activation and learning rate are searched."""
    kind = hp.Choice("activation", ["relu", "tanh"])
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    hidden = keras.layers.Dense(8, kind)
    model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def search_of(folder, made=build, objective="val_accuracy", **settings):
    """Return a search in a folder, with few trials unless told otherwise."""
    few = {"max_trials": 3, "finalists": 0, "seed": 0}
    settings = {**few, **settings}
    return tuning.Search(made, objective, directory=str(folder), **settings)


def run(search, epochs=2, **kwargs):
    """Run a search on the data, and return it."""
    search.search(data=data, epochs=epochs, batch_size=32, verbose=0, **kwargs)
    return search
