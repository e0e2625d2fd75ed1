"""A small model with layers of ours, all that watches it, and keys that come of it."""

import keras
import numpy as np

from kcomponents import callbacks, layers

# A key of each monitor, and of each layer of ours.
KEYS = (
    "grad_norm",
    "grad_norm_max",
    "clip_rate",
    "grad_norm/net/maxout/linear/kernel",
    "grad_norm/net/prelu/alpha",
    "update_ratio",
    "update_ratio/net/maxout/linear/kernel",
    "dead_relu",
    "dead_relu/net/maxout",
    "dead_relu/net/relu",
    "saturated",
    "saturated/net/tanh",
)


def data():
    """Return `x` and `y` of 16 samples, the same at each call."""
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    return x, x[:, :1]


def net():
    """Return a compiled model with names that do not change."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.MaxoutDense(6, num_pieces=2, name="maxout"),
            layers.PReLU(name="prelu"),
            keras.layers.Dense(5, "relu", name="relu"),
            keras.layers.Dense(5, "tanh", name="tanh"),
            keras.layers.Dense(1, name="last"),
        ],
        name="net",
    )
    model.compile("adam", "mse")
    return model


def watching():
    """Return a monitor of each kind that adds keys to the logs."""
    return [
        callbacks.GradientNormLogger(per_variable=True),
        callbacks.UpdateRatioMonitor(sample=1, per_variable=True),
        callbacks.DeadReLUMonitor(per_layer=True),
        callbacks.SaturationMonitor(per_layer=True),
    ]
