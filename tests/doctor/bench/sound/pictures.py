"""Pictures: classes, with augmentation, of real digits and of textures in color."""

import pathlib

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import (
    adam,
    beyond_chance,
    conv,
    dense,
    freeze,
    loss_of,
    split,
)

DIGITS = pathlib.Path(__file__).parents[4] / "recipes/data/mnist10k.npz"


class RandomShift(layers.Layer):
    """Moves each picture by one pixel in training, to any side or not at all.

    It is much faster than `keras.layers.RandomTranslation` on a CPU.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator()

    def call(self, x, training=False):
        if not training:
            return x
        wide = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        high, across = wide[:, :, 1:-1], wide[:, 1:-1]
        moved = [x, high[:, 2:], high[:, :-2], across[:, :, 2:], across[:, :, :-2]]
        pick = keras.random.randint((ops.shape(x)[0],), 0, 5, seed=self.seeds)
        chosen = ops.one_hot(pick, 5, dtype=x.dtype)
        return ops.einsum("nk,knhwc->nhwc", chosen, ops.stack(moved))


class DigitPictures(Program):
    """Real digits; small moves and noise as augmentation, and batch normalization."""

    kind = "pictures with augmentation"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.75
    inputs = {"picture": "picture"}
    targets = {"digit": "class"}
    settings = Settings(
        rate=3e-3,
        epochs=5,
        batch_size=64,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="softmax",
        kernel_initializer="he_normal",
        dropout=0.2,
        noise=0.1,
        flip=False,
        scale=1 / 255,
        batch_normalization=0.9,
        frozen=(),
    )

    def data(self, seed):
        """Return 3000 of the digits, drawn by the seed, at half of their size."""
        with np.load(DIGITS) as file:
            chosen = np.random.default_rng(seed).permutation(10000)[:3000]
            x, y = file["x"][chosen], file["y"][chosen]
        x = x.reshape(-1, 14, 2, 14, 2).mean((2, 4))
        every = Part(
            {"picture": x[..., None].astype("float32")},
            {"digit": y[:, None].astype("int32")},
        )
        return split(every, 1800, 400)

    def build(self, settings):
        """Return a sequential network of convolutions."""
        model = keras.Sequential([keras.Input((14, 14, 1))])
        if settings.flip:
            model.add(layers.RandomFlip("horizontal"))
        model.add(RandomShift())
        model.add(layers.GaussianNoise(settings.noise))
        for filters in (16, 32):
            options = {"strides": 2, "activation": None, "use_bias": False}
            model.add(conv(filters, settings, name=f"conv_{filters}", **options))
            model.add(layers.BatchNormalization(momentum=settings.batch_normalization))
            model.add(layers.Activation(settings.activation))
        model.add(layers.Flatten())
        model.add(layers.Dropout(settings.dropout))
        model.add(dense(48, settings, name="hidden"))
        model.add(layers.Dense(10, settings.output_activation, name="digit"))
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["picture"], verbose=0).argmax(-1)
        return beyond_chance((guess == part.y["digit"][:, 0]).mean(), 10)


class TextureNet(keras.Model):
    """A subclassed network with a residual block, and layer normalization.

    Args:
        settings: `Settings` of the program.
    """

    def __init__(self, settings):
        super().__init__()
        self.flip = layers.RandomFlip("horizontal") if settings.flip else None
        self.stem = conv(12, settings, strides=2, name="stem")
        self.first = conv(12, settings, name="first")
        self.second = conv(12, settings, name="second", activation=None)
        self.norm = layers.LayerNormalization(axis=settings.axis)
        self.act = layers.Activation(settings.activation)
        self.wide = conv(24, settings, strides=2, name="wide")
        self.pool = layers.GlobalAveragePooling2D()
        self.drop = layers.Dropout(settings.dropout)
        self.out = layers.Dense(4, settings.output_activation, name="leaf")

    def call(self, x, training=False):
        if self.flip is not None:
            x = self.flip(x, training=training)
        x = self.stem(2 * x - 1)
        x = self.act(x + self.norm(self.second(self.first(x))))
        x = self.drop(self.pool(self.wide(x)), training=training)
        return self.out(x)


class LeafTextures(Program):
    """Pictures in color of four kinds of pattern, flipped as augmentation."""

    kind = "pictures with augmentation, subclassed"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.65
    inputs = {"photo": "picture"}
    targets = {"leaf": "one hot"}
    settings = Settings(
        rate=4e-3,
        epochs=7,
        batch_size=32,
        loss="categorical_crossentropy",
        activation="relu",
        output_activation="softmax",
        kernel_initializer="he_normal",
        dropout=0.1,
        flip=True,
        scale=1 / 255,
        axis=-1,
        frozen=(),
    )

    def data(self, seed):
        """Return stripes, checks, rings and spots of any color, with noise."""
        random = np.random.default_rng(seed)
        rows, size = 1700, 16
        leaf = random.integers(0, 4, rows)
        across, down = np.meshgrid(np.arange(size), np.arange(size))
        turn, wave = random.uniform(0, np.pi, rows), random.uniform(0.9, 1.4, rows)
        middle = random.uniform(4, 12, (2, rows, 1, 1))
        a = np.cos(turn)[:, None, None] * across + np.sin(turn)[:, None, None] * down
        b = np.cos(turn)[:, None, None] * down - np.sin(turn)[:, None, None] * across
        a, b = a * wave[:, None, None], b * wave[:, None, None]
        far = np.hypot(across - middle[0], down - middle[1]) * wave[:, None, None]
        kinds = [np.sin(a), np.sin(a) * np.sin(b) * 1.4, np.sin(far)]
        spots = blurred(random.normal(size=(rows, size, size)))
        pattern = np.choose(leaf[:, None, None], [*kinds, spots])
        color = random.uniform(30, 70, (rows, 1, 1, 3))
        photo = (
            120 + color * pattern[..., None] + random.uniform(-15, 15, (rows, 1, 1, 3))
        )
        photo = photo + 18 * random.normal(size=photo.shape)
        wrong = random.random(rows) < 0.04
        leaf = np.where(wrong, random.integers(0, 4, rows), leaf)
        every = Part(
            {"photo": photo.clip(0, 255).round().astype("float32")},
            {"leaf": np.eye(4, dtype="float32")[leaf]},
        )
        return split(every, 1100, 200)

    def build(self, settings):
        """Return the subclassed network."""
        model = TextureNet(settings)
        model.build((None, 16, 16, 3))
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["photo"], verbose=0).argmax(-1)
        return beyond_chance((guess == part.y["leaf"].argmax(-1)).mean(), 4)


def blurred(values):
    """Return noise that is smooth over about three pixels, with a variance of 1/2."""
    for axis in (1, 2):
        values = sum(np.roll(values, step, axis) for step in (-1, 0, 1))
    return values / values.std() * 0.7
