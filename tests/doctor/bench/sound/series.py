"""Series in time: forecasts from windows, and kinds of series."""

import math
import pathlib

import keras
import numpy as np
from keras import layers

from tests.doctor.bench.program import Data, Part, Program, Settings
from tests.doctor.bench.sound._parts import (
    adam,
    beyond_chance,
    dense,
    freeze,
    loss_of,
    split,
)

FILES = pathlib.Path(__file__).parents[4] / "recipes/data"


class Windows(keras.utils.PyDataset):
    """Batches of rows, in a new order for each epoch if they are shuffled.

    Args:
        x: Array of inputs.
        y: Array of targets.
        batch_size: Rows in a batch.
        shuffle: Whether the order changes.
    """

    def __init__(self, x, y, batch_size, shuffle):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size
        self.random = np.random.default_rng(0) if shuffle else None
        self.order = np.arange(len(x))
        self.on_epoch_end()

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        if self.random is not None:
            self.random.shuffle(self.order)


class PowerForecast(Program):
    """The load of a power grid for six hours, from two days of load and temperature."""

    kind = "forecast, fed by a PyDataset"
    metric = "share of the squared error of repeating the last load that is avoided"
    good = 0.6
    inputs = {"past": "series"}
    targets = {"future": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=5,
        batch_size=64,
        loss="mean_squared_error",
        activation="tanh",
        output_activation="linear",
        dropout=0.05,
        scale=1 / 60,
        clipnorm=1.0,
        frozen=(),
    )

    def data(self, seed):
        """Return windows of a load in megawatts around its mean, in order of time."""
        random = np.random.default_rng(seed)
        hours = np.arange(2800)
        drift = np.zeros(2800)
        for hour in range(1, 2800):
            drift[hour] = 0.97 * drift[hour - 1] + random.normal()
        heat = 30 * np.sin(2 * np.pi * (hours - 9) / 24) + 6 * drift
        work = np.where(hours // 24 % 7 < 5, 1, 0.4)
        load = 70 * work * np.sin(2 * np.pi * (hours - 7) / 24)
        load += 25 * work * np.sin(4 * np.pi * hours / 24) - 0.8 * heat
        load += 8 * random.normal(size=2800)
        both = np.stack([load - load.mean(), heat], 1).astype("float32")
        starts = np.arange(2800 - 54)
        past = both[starts[:, None] + np.arange(48)]
        future = both[starts[:, None] + np.arange(48, 54), 0] / 60
        every = Part({"past": past}, {"future": future})
        ends = [slice(0, 1800), slice(1854, 2154), slice(2208, None)]
        return Data(*map(every.rows, ends))

    def build(self, settings):
        """Return a GRU over the window and a layer for all six hours."""
        past = keras.Input((48, 2), name="past")
        x = layers.GRU(24, settings.activation, name="gru")(past)
        x = layers.Dropout(settings.dropout)(x)
        future = layers.Dense(6, settings.output_activation, name="future")(x)
        model = freeze(keras.Model(past, future), settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["mae"])
        return model

    def train(self, model, data, settings, callbacks):
        """Train with windows that a dataset hands out."""
        x, y = data.train.x["past"], data.train.y["future"]
        return model.fit(
            Windows(x, y, settings.batch_size, settings.shuffle),
            epochs=settings.epochs,
            validation_data=self.validation(data),
            callbacks=callbacks,
            verbose=0,
        )

    def score(self, model, part):
        """Return the share of the error of the last load that is avoided."""
        guess = model.predict(part.x["past"], verbose=0).astype("float64")
        future = part.y["future"]
        # Targets are loads over 60; inputs are what the settings made of them.
        last = part.x["past"][:, -1:, 0] / np.float32(self.settings.scale * 60)
        rest = ((guess - future) ** 2).mean() / ((last - future) ** 2).mean()
        return max(-1.0, 1 - float(rest))


class SunspotForecast(Program):
    """Real sunspots of the next year, by month, from five years; fed by a generator."""

    kind = "forecast, fed by a generator"
    metric = "share of the squared error of repeating the last month that is avoided"
    good = 0.2
    inputs = {"past": "series"}
    targets = {"future": "numbers"}
    settings = Settings(
        rate=2e-3,
        epochs=8,
        batch_size=32,
        loss="huber",
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.1,
        noise=0.05,
        frozen=(),
    )

    def data(self, seed):
        """Return windows of the root of the sunspots, in order of time."""
        with np.load(FILES / "series.npz") as file:
            spots = np.sqrt(file["sunspots_monthly"])[:, None] / 8
        start = np.random.default_rng(seed).integers(0, 40)
        spots = spots[start:].astype("float32")
        starts = np.arange(len(spots) - 72)
        past = spots[starts[:, None] + np.arange(60)]
        future = spots[starts[:, None] + np.arange(60, 72), 0]
        every = Part({"past": past}, {"future": future})
        return Data(every.rows(slice(0, 2100)), None, every.rows(slice(2172, None)))

    def build(self, settings):
        """Return convolutions over the window."""
        past = keras.Input((60, 1), name="past")
        x = layers.GaussianNoise(settings.noise)(past)
        for name in ("conv_1", "conv_2"):
            x = layers.Conv1D(
                16,
                6,
                3,
                activation=settings.activation,
                kernel_initializer=settings.kernel_initializer,
                name=name,
            )(x)
        x = layers.Dropout(settings.dropout)(layers.Flatten()(x))
        x = dense(32, settings, name="hidden")(x)
        future = layers.Dense(12, settings.output_activation, name="future")(x)
        model = freeze(keras.Model(past, future), settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["mae"])
        return model

    def train(self, model, data, settings, callbacks):
        """Train with batches that a generator yields without an end."""
        x, y = data.train.x["past"], data.train.y["future"]
        steps = len(x) // settings.batch_size

        def batches():
            random = np.random.default_rng(0)
            while True:
                order = np.arange(len(x))
                if settings.shuffle:
                    random.shuffle(order)
                for step in range(steps):
                    start = step * settings.batch_size
                    rows = order[start : start + settings.batch_size]
                    yield x[rows], y[rows]

        return model.fit(
            batches(),
            steps_per_epoch=steps,
            epochs=settings.epochs,
            validation_data=self.validation(data),
            callbacks=callbacks,
            verbose=0,
        )

    def score(self, model, part):
        """Return the share of the error of the last month that is avoided."""
        guess = model.predict(part.x["past"], verbose=0).astype("float64")
        future, last = part.y["future"], part.x["past"][:, -1:, 0]
        rest = ((guess - future) ** 2).mean() / ((last - future) ** 2).mean()
        return max(-1.0, 1 - float(rest))


class SpeakerVowels(Program):
    """Real recordings of vowels of nine speakers, padded; who speaks?"""

    kind = "series classification with masks"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.75
    inputs = {"sound": "series"}
    targets = {"speaker": "class"}
    settings = Settings(
        rate=5e-3,
        epochs=10,
        batch_size=16,
        loss="sparse_categorical_crossentropy",
        activation="tanh",
        output_activation="softmax",
        dropout=0.2,
        mask=True,
        frozen=(),
    )

    def data(self, seed):
        """Return the recordings, split by the seed."""
        with np.load(FILES / "japanese_vowels.npz") as file:
            order = np.random.default_rng(seed).permutation(len(file["x"]))
            sound, speaker = file["x"][order], file["y"][order]
        speaker = (speaker - speaker.min()).astype("int32")[:, None]
        return split(Part({"sound": sound}, {"speaker": speaker}), 400)

    def build(self, settings):
        """Return a GRU that skips the padded steps."""
        model = keras.Sequential([keras.Input((29, 12))])
        if settings.mask:
            model.add(layers.Masking(0.0))
        model.add(layers.GRU(32, settings.activation, name="gru"))
        model.add(layers.Dropout(settings.dropout))
        model.add(layers.Dense(9, settings.output_activation, name="speaker"))
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["sound"], verbose=0).argmax(-1)
        return beyond_chance((guess == part.y["speaker"][:, 0]).mean(), 9)
