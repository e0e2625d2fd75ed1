"""What recipes do with every net that tells classes apart."""

import math

import keras
import numpy as np

from kcomponents import activations
from kcomponents.callbacks import GradientNormLogger
from lib.data import Shuffled

# Steps in one call, which costs less and trains alike. Not every Keras has this on
# PyTorch.
STEPS = 1 if keras.backend.backend() == "torch" else 20


def compiled(model, optimizer, **options):
    """Return a model of logits, compiled to tell classes apart."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    given = {"metrics": ["accuracy"], "steps_per_execution": STEPS, **options}
    model.compile(optimizer, loss, **given)
    return model


def accuracy(model, x, y):
    """Return the share of rows that a compiled model gets right."""
    return model.evaluate(x, y, batch_size=500, verbose=0)[1]


# What flows through a net: outputs on their way forward, gradients on their way back.
#
# A net is sequential here: hidden layers, an activation after each, and a last layer.


def gradients(model, rate, x, y, batch_size):
    """Train for an epoch of SGD; return the rms gradient of each hidden kernel."""
    # So few steps need no compiling.
    sgd = keras.optimizers.SGD(rate)
    compiled(model, sgd, run_eagerly=True, steps_per_execution=1)
    log = GradientNormLogger(per_variable=True)
    data = Shuffled(x, y, batch_size)
    found = model.fit(data, verbose=0, callbacks=[log]).history
    kernels = [layer.kernel for layer in model.layers[:-1:2]]
    return [
        found[f"grad_norm/{k.path}"][0] / math.prod(k.shape) ** 0.5 for k in kernels
    ]


def outputs(model, x):
    """Return what the activations put out, as one array, and the logits."""
    seen = [*model.layers[1::2], model.layers[-1]]
    reader = keras.Model(model.inputs[0], [layer.output for layer in seen])
    *hidden, logits = map(keras.ops.convert_to_numpy, reader(x))
    return np.array(hidden), logits


def steepest(kind):
    """Return the greatest slope of an activation."""
    z = np.linspace(-8, 8, 400, dtype="float32")
    f = keras.ops.convert_to_numpy(activations.get(kind, as_layer=True)(z[:, None]))
    return float(np.max(np.diff(f[:, 0]) / np.diff(z)))
