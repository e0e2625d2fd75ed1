"""Tables with weights or with a loss of their own: rare, noisy and censored targets."""

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split


class PumpFailure(Program):
    """Will a pump fail? One in fifteen does, and class weights make up for it."""

    kind = "class weights"
    metric = "balanced accuracy, from 0 (chance) to 1"
    good = 0.5
    inputs = {"sensors": "numbers"}
    targets = {"fails": "binary"}
    settings = Settings(
        rate=2e-3,
        epochs=10,
        batch_size=64,
        loss="binary_crossentropy",
        activation="leaky_relu",
        output_activation="sigmoid",
        kernel_initializer="he_normal",
        dropout=0.2,
        penalty=1e-4,
        class_weight={0: 0.54, 1: 7.5},
    )

    def data(self, seed):
        """Return sensors of pumps, of which the most stressed ones fail."""
        random = np.random.default_rng(seed)
        sensors = random.normal(size=(4000, 10)).astype("float32")
        stress = sensors[:, 0] * sensors[:, 1] + 1.5 * sensors[:, 2]
        stress = stress + np.abs(sensors[:, 3]) - sensors[:, 4]
        stress = stress + 0.5 * random.normal(size=4000)
        fails = (stress > np.quantile(stress, 0.93)).astype("float32")
        part = Part({"sensors": sensors}, {"fails": fails[:, None]})
        return split(part, 2600, 400)

    def build(self, settings):
        """Return a plain network."""
        model = keras.Sequential(
            [
                keras.Input((10,), name="sensors"),
                layers.Dense(48, **hidden(settings)),
                layers.Dropout(settings.dropout),
                layers.Dense(24, **hidden(settings)),
                layers.Dense(1, settings.output_activation, name="fails"),
            ]
        )
        area = keras.metrics.AUC(curve="PR", name="area")
        model.compile(
            keras.optimizers.Adam(settings.rate),
            settings.loss,
            metrics=["accuracy", area],
        )
        return model

    def score(self, model, part):
        """Return the balanced accuracy, from 0 (chance) to 1."""
        found = model.predict(part.x["sensors"], verbose=0)[:, 0] > 0.5
        fails = part.y["fails"][:, 0] > 0.5
        return float(found[fails].mean() - found[~fails].mean())


class AssayPotency(Program):
    """Potency of a substance, measured with errors of known size as sample weights."""

    kind = "sample weights"
    metric = "R2 of the potency, weighted"
    good = 0.5
    inputs = {"descriptors": "numbers"}
    targets = {"potency": "numbers"}
    settings = Settings(
        rate=2e-3,
        epochs=12,
        batch_size=32,
        loss="mse",
        activation="elu",
        output_activation="linear",
        kernel_initializer="he_normal",
        penalty=1e-4,
        noise=0.05,
    )

    def data(self, seed):
        """Return descriptors, and potencies some of which are hardly known."""
        random = np.random.default_rng(seed)
        rows = 2600
        x = random.normal(size=(rows, 12)).astype("float32")
        y = x[:, 0] + np.sin(2 * x[:, 1]) + x[:, 2] * x[:, 3] + 0.5 * x[:, 4] ** 2
        y = (y - y.mean()) / y.std()
        error = np.exp(random.uniform(np.log(0.1), np.log(3), rows))
        y = y + error * random.normal(size=rows)
        weights = 1 / (0.1 + error**2)
        weights = (weights / weights.mean()).astype("float32")
        potency = y[:, None].astype("float32")
        part = Part({"descriptors": x}, {"potency": potency}, weights)
        return split(part, 1700, 400)

    def build(self, settings):
        """Return a network that sees its inputs with a little noise."""
        model = keras.Sequential(
            [
                keras.Input((12,), name="descriptors"),
                layers.GaussianNoise(settings.noise),
                layers.Dense(64, **hidden(settings)),
                layers.Dense(32, **hidden(settings)),
                layers.Dense(1, settings.output_activation, name="potency"),
            ]
        )
        model.compile(
            keras.optimizers.RMSprop(settings.rate),
            settings.loss,
            weighted_metrics=["mae"],
        )
        return model

    def score(self, model, part):
        """Return the weighted R2."""
        found = model.predict(part.x["descriptors"], verbose=0)[:, 0]
        true, weights = part.y["potency"][:, 0], part.weights
        rest = np.average((true - found) ** 2, weights=weights)
        mean = np.average(true, weights=weights)
        return max(-1.0, 1 - rest / np.average((true - mean) ** 2, weights=weights))


def partial_likelihood(outcome, risk):
    """Return Cox's negative log partial likelihood for each row of the batch."""
    time, event = outcome[:, 0], ops.cast(outcome[:, 1], risk.dtype)
    risk = risk[:, 0]
    alive = ops.cast(time[None] >= time[:, None], risk.dtype)
    top = ops.stop_gradient(ops.max(risk))
    total = ops.log(ops.sum(alive * ops.exp(risk - top)[None], axis=1) + 1e-7) + top
    return event * (total - risk)


class SurvivalNet(keras.Model):
    """A subclassed network whose output is the log of a relative risk."""

    def __init__(self, settings):
        super().__init__()
        self.first = layers.Dense(32, **hidden(settings))
        self.drop = layers.Dropout(settings.dropout)
        self.second = layers.Dense(16, **hidden(settings))
        self.risk = layers.Dense(1, settings.output_activation, use_bias=False)

    def build(self, shape):
        self.first.build(shape)
        self.second.build((None, 32))
        self.risk.build((None, 16))
        self.built = True

    def call(self, inputs, training=False):
        flow = self.drop(self.first(inputs), training=training)
        return self.risk(self.second(flow))


class PatientSurvival(Program):
    """Who dies first? A Cox model with censored times and its own loss."""

    kind = "own loss"
    metric = "concordance of risk and time, from 0 (chance) to 1"
    good = 0.4
    inputs = {"patient": "numbers"}
    targets = {"outcome": "other"}
    settings = Settings(
        rate=2e-3,
        epochs=10,
        batch_size=128,
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.1,
        penalty=1e-4,
        clipnorm=1.0,
    )

    def data(self, seed):
        """Return patients, with the time of death or of the last visit."""
        random = np.random.default_rng(seed)
        rows = 3200
        x = random.normal(size=(rows, 9)).astype("float32")
        risk = (
            x[:, 0] + 0.8 * x[:, 1] ** 2 - 0.8 * x[:, 2] * (x[:, 3] > 0) + 0.5 * x[:, 4]
        )
        death = random.exponential(np.exp(-1.3 * risk))
        visit = random.exponential(1.5, rows)
        outcome = np.stack([np.minimum(death, visit), death <= visit], 1)
        part = Part({"patient": x}, {"outcome": outcome.astype("float32")})
        return split(part, 2200, 400)

    def build(self, settings):
        """Return the network with the loss of Cox."""
        model = SurvivalNet(settings)
        model.build((None, 9))
        model.compile(
            keras.optimizers.Adam(settings.rate, clipnorm=settings.clipnorm),
            loss=partial_likelihood,
        )
        return model

    def score(self, model, part):
        """Return the concordance, from 0 (chance) to 1."""
        risk = model.predict(part.x["patient"], verbose=0)[:, 0]
        time, event = part.y["outcome"].T
        pairs = (time[:, None] < time[None]) & (event[:, None] > 0)
        ahead = np.sign(risk[:, None] - risk[None])
        return float(ahead[pairs].mean())
