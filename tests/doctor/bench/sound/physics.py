"""Differential equations as a loss."""

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import adam, explained, freeze, split


def derived(activation, x):
    """Return an activation of a tensor, and its first and second derivative."""
    value = keras.activations.get(activation)(x)
    if activation == "tanh":
        inner = 1 - ops.square(value)
        return value, inner, -2 * value * inner
    if activation == "sigmoid":
        inner = value * (1 - value)
        return value, inner, inner * (1 - 2 * value)
    slope = ops.cast(x > 0, x.dtype) if activation == "relu" else ops.ones_like(x)
    return value, slope, ops.zeros_like(x)


class SpringNet(keras.Model):
    """A network of the time that returns a displacement, its slope and its bend.

    The derivatives go through the layers by the chain rule, which is the same on every
    backend.

    Args:
        settings: `Settings` of the program.
    """

    def __init__(self, settings):
        super().__init__()
        extra = settings.extra
        self.damping, self.stiffness = extra["damping"], extra["stiffness"]
        self.start = extra["start"]
        self.activation = settings.activation
        start = settings.kernel_initializer
        self.first = layers.Dense(32, kernel_initializer=start, name="first")
        self.second = layers.Dense(32, kernel_initializer=start, name="second")
        self.last = layers.Dense(1, name="last")

    def call(self, time):
        # The time from 0 to 4 becomes -1 to 1 for the network.
        value, slope = time / 2 - 1, ops.ones_like(time) / 2
        bend = ops.zeros_like(time)
        for layer in (self.first, self.second):
            value = layer(value)
            slope, bend = (ops.matmul(x, layer.kernel) for x in (slope, bend))
            value, inner, outer = derived(self.activation, value)
            bend = inner * bend + outer * ops.square(slope)
            slope = inner * slope
        value = self.last(value)
        slope, bend = (ops.matmul(x, self.last.kernel) for x in (slope, bend))
        return {"value": value, "slope": slope, "bend": bend}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        keys = "value", "slope", "bend"
        value, slope, bend = (ops.cast(y_pred[key], "float32") for key in keys)
        residual = bend + self.damping * slope + self.stiffness * value
        start = self(ops.zeros((1, 1)))
        at_start = ops.square(start["value"] - 1) + ops.square(start["slope"])
        at_start = ops.cast(ops.mean(at_start), "float32")
        return ops.mean(ops.square(residual)) + self.start * at_start


class DampedSpring(Program):
    """The way of a damped spring from its equation and its start, without data."""

    kind = "physics loss"
    metric = "share of the variance of the true way that is explained"
    good = 0.8
    inputs = {"time": "numbers"}
    settings = Settings(
        rate=8e-3,
        epochs=12,
        batch_size=32,
        activation="tanh",
        kernel_initializer="glorot_normal",
        frozen=(),
        extra={"damping": 0.4, "stiffness": 3.0, "start": 10.0},
    )

    def data(self, seed):
        """Return times at random, and the true way for the times of the test."""
        random = np.random.default_rng(seed)
        every = Part({"time": random.uniform(0, 4, (2600, 1)).astype("float32")}, {})
        found = split(every, 2000, 200)
        time, extra = found.test.x["time"], self.settings.extra
        fade = extra["damping"] / 2
        turn = np.sqrt(extra["stiffness"] - fade**2)
        wave = np.cos(turn * time) + fade / turn * np.sin(turn * time)
        found.test.y["way"] = (np.exp(-fade * time) * wave).astype("float32")
        return found

    def build(self, settings):
        """Return the network with the loss of the equation."""
        model = SpringNet(settings)
        model.build((None, 1))
        freeze(model, settings)
        model.compile(adam(settings))
        return model

    def score(self, model, part):
        """Return the share of the variance of the true way that is explained."""
        value = model.predict(part.x["time"], verbose=0)["value"]
        return explained(part.y["way"], value)
