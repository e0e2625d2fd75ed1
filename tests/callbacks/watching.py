"""Fit a model under a monitor, and replay the same steps by hand beside it."""

import keras
import numpy as np
from keras import layers

from kcomponents.probes.layer_walk import watched_layers
from tests.probes.models import SAMPLES, models, normal
from tests.probes.replay import steps

BATCH = 2


def twice():
    """Return a model that applies one layer without weights at two places."""
    keras.utils.set_random_seed(0)
    relu, tanh = layers.ReLU(name="relu"), layers.Activation("tanh", name="tanh")
    inputs = keras.Input((4,))
    hidden = tanh(relu(layers.Dense(6, name="first")(inputs)))
    hidden = tanh(relu(layers.Dense(3, name="second")(hidden)))
    model = keras.Model(inputs, layers.Dense(1, name="last")(hidden))
    return model, normal(4), normal(1)


def apart(name, biases):
    """Make a model by name, the biases of its layers repeating those given."""
    model, x, y = {**models, "twice": twice}[name]()
    for weight in model.weights:
        if weight.path.endswith("bias"):
            weight.assign(np.resize(np.array(biases, "float32"), weight.shape))
    model.compile("sgd", "mse", jit_compile=False)
    return model, x, y


def fit(model, x, y, monitor, **settings):
    """Return the logs of each epoch."""
    settings = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **settings}
    return model.fit(x, y, callbacks=[monitor], **settings).history


def replay(model, x, y, epochs=1):
    """Return `{site: [outputs of each epoch, units last]}` of layers that are watched.

    A layer without weights is taken to be called equally often in each step.
    """
    watched = watched_layers(model)
    parts = [
        keras.tree.map_structure(lambda a, i=i: a[i : i + BATCH], (x, y))
        for i in range(0, SAMPLES, BATCH)
    ]
    found = {}
    for _ in range(epochs):
        done = steps(model, parts, watch=[item.layer for item in watched])
        for item in watched:
            calls = [outputs for s in done for outputs in s.outputs[item.layer.name]]
            places = 1 if item.layer.weights else len(calls) // len(parts)
            for place in range(places):
                site = item.path if place == 0 else f"{item.path}:{place + 1}"
                units = [c.reshape(-1, c.shape[-1]) for c in calls[place::places]]
                found.setdefault(site, []).append(np.concatenate(units))
    return found


def frozen(units, *after, biases=(0.0,)):
    """Return a model whose first layer stays as it is, and what it puts out for `x`.

    So what comes after it is told by numpy alone. Several layers `after` stand side by
    side, each upon the first one.
    """
    x, first = normal(3), layers.Dense(units, name="first", trainable=False)
    inputs = keras.Input((3,))
    found = [layer(first(inputs)) for layer in after] or [first(inputs)]
    found = layers.Concatenate()(found) if len(found) > 1 else found[0]
    model = keras.Model(inputs, layers.Dense(1, name="last")(found))
    first.bias.assign(np.resize(np.array(biases, "float32"), units))
    model.compile("sgd", "mse", jit_compile=False)
    kernel, bias = (np.array(w.numpy()) for w in first.weights)
    return model, x, normal(1), x @ kernel + bias


def by_name(found):
    """Return a dict of sites with the names of layers in their place."""
    return {site.split("/")[-1]: value for site, value in found.items()}
