"""Series: forecasts of real and of made ones, and voices."""

import functools
import pathlib

import keras
import numpy as np
from keras import layers

from tests.doctor.bench.program import Data, Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split

FOLDER = pathlib.Path(__file__).resolve().parents[4] / "recipes" / "data"


def gain(true, found):
    """Return how much less the squared error is than that of repeating the last value.

    The values are the changes since the last value, so that repeating it is zero.
    """
    rest = np.mean((true - found.astype("float64")) ** 2)
    return max(-1.0, float(1 - rest / np.mean(true.astype("float64") ** 2)))


@functools.cache
def carbon_dioxide():
    """Return weekly parts per million with gaps filled."""
    with np.load(FOLDER / "series.npz") as arrays:
        level = arrays["co2"][:, 1]
    weeks, known = np.arange(len(level)), ~np.isnan(level)
    return np.interp(weeks, weeks[known], level[known])


class CarbonDioxide(Program):
    """Carbon dioxide in the air for 26 weeks ahead, by dilated causal convolutions."""

    kind = "time series forecast"
    metric = "squared error less than that of repeating the last value"
    good = 0.75
    inputs = {"past": "series"}
    targets = {"change": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=7,
        batch_size=32,
        loss="mae",
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.05,
        scale=0.2,
    )

    def data(self, seed):
        """Return windows of a year and a quarter, of which the last ones are the test.

        The values are differences from the last one. The seed chooses which of the
        windows are trained on.
        """
        level, past, ahead = carbon_dioxide(), 64, 26
        windows = np.lib.stride_tricks.sliding_window_view(level, past + ahead)
        windows = windows - windows[:, past - 1 : past]
        windows = windows.astype("float32")
        part = Part({"past": windows[:, :past, None]}, {"change": windows[:, past:]})
        # Windows that overlap those of the next part are left out.
        random = np.random.default_rng(seed)
        chosen = np.sort(random.permutation(1500)[:1200])
        rest = part.rows(slice(1500 + past + ahead, None))
        return Data(
            part.rows(chosen),
            rest.rows(slice(0, 150)),
            rest.rows(slice(150 + past + ahead, None)),
        )

    def build(self, settings):
        """Return a stack of causal convolutions, read at the last week."""
        past = keras.Input((64, 1), name="past")
        flow = layers.Conv1D(16, 1)(past)
        for dilation in 1, 3, 9:
            branch = layers.Conv1D(
                16, 4, padding="causal", dilation_rate=dilation, **hidden(settings)
            )(flow)
            branch = layers.Dropout(settings.dropout)(branch)
            flow = layers.Add()([flow, branch])
        flow = layers.Conv1D(8, 4, 4, **hidden(settings))(flow)
        flow = layers.Flatten()(flow)
        flow = layers.Dense(26, settings.output_activation, name="change")(flow)
        model = keras.Model(past, flow)
        model.compile(keras.optimizers.Adam(settings.rate), settings.loss)
        return model

    def score(self, model, part):
        """Return the gain over repeating the last value."""
        return gain(part.y["change"], model.predict(part.x["past"], verbose=0))


class Jittered(keras.utils.PyDataset):
    """Batches of rows with noise, in a new order after each epoch."""

    def __init__(self, part, settings, **kwargs):
        super().__init__(**kwargs)
        self.part = part
        self.settings = settings
        self.random = np.random.default_rng(7)
        self.order = np.arange(len(part))
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.part) // self.settings.batch_size)

    def __getitem__(self, index):
        size = self.settings.batch_size
        rows = self.part.rows(self.order[index * size : (index + 1) * size])
        past = rows.x["past"]
        noise = self.settings.noise * self.random.normal(size=past.shape)
        x = rows.x | {"past": (past + noise).astype("float32")}
        return x, rows.y["change"]

    def on_epoch_end(self):
        if self.settings.shuffle:
            self.random.shuffle(self.order)


class RiverLevel(Program):
    """A river for 8 hours ahead, from its level and rain, fed by a `PyDataset`."""

    kind = "time series forecast"
    metric = "squared error less than that of repeating the last value"
    good = 0.5
    inputs = {"past": "series", "rain": "series"}
    targets = {"change": "numbers"}
    settings = Settings(
        rate=5e-3,
        epochs=6,
        batch_size=64,
        loss="mse",
        activation="tanh",
        output_activation="linear",
        kernel_initializer="glorot_uniform",
        penalty=1e-5,
        noise=0.02,
        scale=0.01,
        clipnorm=1.0,
    )

    def data(self, seed):
        """Return levels in centimeters, and changes in meters."""
        random = np.random.default_rng(seed)
        hours, past, ahead = 9000, 24, 8
        rain = np.zeros(hours)
        for start in np.flatnonzero(random.random(hours) < 0.02):
            lasts = random.integers(3, 12)
            rain[start : start + lasts] += random.gamma(2, 2)
        rain = rain * random.uniform(0.6, 1.4, hours)
        fast = slow = 0.0
        level = np.zeros(hours)
        for hour in range(hours):
            fast += 0.25 * (rain[max(0, hour - 3)] * 12 - fast)
            slow += 0.02 * (rain[hour] * 25 - slow)
            level[hour] = 100 + fast + slow
        level = level + 3 * random.normal(size=hours)
        # What the forecast says of the rain that is to come is not what will come.
        said = rain * random.uniform(0.5, 1.5, hours)
        starts = np.arange(0, hours - past - ahead, 3)
        before = starts[:, None] + np.arange(past)
        after = starts[:, None] + past + np.arange(ahead)
        x = {
            "past": np.stack([level[before], 10 * rain[before]], -1).astype("float32"),
            "rain": 10 * said[after].astype("float32"),
        }
        change = (level[after] - level[before][:, -1:]) / 100
        part = Part(x, {"change": change.astype("float32")})
        return split(part, 2000, 400)

    def build(self, settings):
        """Return a recurrent network of the past, joined with the rain to come."""
        past = keras.Input((24, 2), name="past")
        rain = keras.Input((8,), name="rain")
        flow = layers.LSTM(24, **hidden(settings))(past)
        flow = layers.Concatenate()([flow, layers.Lambda(last)(past), rain])
        flow = layers.Dense(32, **hidden(settings))(flow)
        flow = layers.Dense(8, settings.output_activation, name="change")(flow)
        model = keras.Model({"past": past, "rain": rain}, flow)
        model.compile(
            keras.optimizers.Adam(settings.rate, clipnorm=settings.clipnorm),
            settings.loss,
            metrics=["mae"],
        )
        return model

    def train(self, model, data, settings, callbacks):
        """Train on batches with noise."""
        return model.fit(
            Jittered(data.train, settings),
            epochs=settings.epochs,
            shuffle=settings.shuffle,
            validation_data=self.validation(data),
            callbacks=callbacks,
            verbose=0,
        )

    def score(self, model, part):
        """Return the gain over repeating the last value."""
        return gain(part.y["change"], model.predict(part.x, verbose=0))


def last(series):
    """Return the last step."""
    return series[:, -1]


class VowelSpeaker(Program):
    """Which of nine men said a vowel? Attention over sounds of different lengths."""

    kind = "series classification with masks"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.75
    inputs = {"sound": "series"}
    targets = {"speaker": "class"}
    padding = 0
    settings = Settings(
        rate=5e-3,
        epochs=10,
        batch_size=16,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="softmax",
        kernel_initializer="glorot_uniform",
        dropout=0.1,
        mask=True,
        axis=-1,
    )

    def data(self, seed):
        """Return the sounds in a random order, and no validation."""
        with np.load(FOLDER / "japanese_vowels.npz") as arrays:
            x, y = arrays["x"], arrays["y"].astype(int)
        order = np.random.default_rng(seed).permutation(len(y))
        return split(Part({"sound": x[order]}, {"speaker": y[order]}), 400, 0)

    def build(self, settings):
        """Return a block of a transformer, averaged over the steps that are real."""
        sound = keras.Input((29, 12), name="sound")
        flow = layers.Masking(0.0)(sound) if settings.mask else sound
        flow = layers.Dense(32)(flow)
        heard = layers.MultiHeadAttention(2, 16, dropout=settings.dropout)(flow, flow)
        flow = layers.LayerNormalization(axis=settings.axis)(
            layers.Add()([flow, heard])
        )
        branch = layers.Dense(32, **hidden(settings))(flow)
        flow = layers.Add()([flow, layers.Dropout(settings.dropout)(branch)])
        flow = layers.GlobalAveragePooling1D()(flow)
        flow = layers.Dense(9, settings.output_activation, name="speaker")(flow)
        model = keras.Model(sound, flow)
        model.compile(
            keras.optimizers.Adam(settings.rate), settings.loss, metrics=["accuracy"]
        )
        return model

    def score(self, model, part):
        """Return the accuracy, from 0 (chance) to 1."""
        found = model.predict(part.x["sound"], verbose=0).argmax(-1)
        return float(1.125 * (np.mean(found == part.y["speaker"]) - 1 / 9))
