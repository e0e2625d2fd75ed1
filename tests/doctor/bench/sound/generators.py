"""Models that make pictures or rows: autoencoders and adversarial networks."""

import pathlib

import keras
import numpy as np
from keras import layers, ops
from scipy.spatial.distance import cdist

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import (
    adam,
    dense,
    explained,
    freeze,
    loss_of,
    split,
)

DIGITS = pathlib.Path(__file__).parents[4] / "recipes/data/mnist10k.npz"


def small_digits(seed, rows):
    """Return digits of 14 pixels a side, flat, from 0 to 255."""
    with np.load(DIGITS) as file:
        x = file["x"][np.random.default_rng(seed).permutation(10000)[:rows]]
    x = x.reshape(rows, 14, 2, 14, 2).astype("float32").mean((2, 4))
    return x.reshape(rows, 196)


def closeness(real, made):
    """Return how close two samples are: 1 for one law, 0 for the mean as a point."""

    def energy(other):
        distance = 2 * cdist(real, other).mean() - cdist(other, other).mean()
        return distance - cdist(real, real).mean()

    made = np.nan_to_num(made.astype("float64"))
    point = np.repeat(real.mean(0, keepdims=True), 2, 0)
    return max(-1.0, 1 - float(energy(made) / energy(point)))


class DigitAutoencoder(Program):
    """Digits through a bottleneck of twelve numbers."""

    kind = "autoencoder with a bottleneck"
    metric = "share of the variance of the pixels that is explained"
    good = 0.6
    inputs = {"picture": "picture"}
    targets = {"again": "picture"}
    settings = Settings(
        rate=3e-3,
        epochs=10,
        batch_size=32,
        loss="binary_crossentropy",
        activation="relu",
        output_activation="sigmoid",
        kernel_initializer="he_normal",
        scale=1 / 255,
        frozen=(),
    )

    def data(self, seed):
        """Return digits, and the same from 0 to 1 as targets."""
        x = small_digits(seed, 3000)
        return split(Part({"picture": x}, {"again": x / 255}), 2000, 400)

    def build(self, settings):
        """Return an encoder and a decoder in a row."""
        encoder = keras.Sequential(
            [
                keras.Input((196,)),
                dense(96, settings),
                layers.Dense(12, name="code"),
            ],
            name="encoder",
        )
        decoder = keras.Sequential(
            [
                keras.Input((12,)),
                dense(96, settings),
                layers.Dense(196, settings.output_activation),
            ],
            name="decoder",
        )
        inputs = keras.Input((196,), name="picture")
        model = freeze(keras.Model(inputs, decoder(encoder(inputs))), settings)
        model.compile(adam(settings), loss_of(settings.loss, settings), metrics=["mse"])
        return model

    def score(self, model, part):
        """Return the share of the variance that is explained."""
        return explained(part.y["again"], model.predict(part.x["picture"], verbose=0))


class Vae(keras.Model):
    """A variational autoencoder with its loss.

    Args:
        settings: `Settings` of the program.
        size: Number of inputs.
        code: Number of codes.
    """

    def __init__(self, settings, size=196, code=8):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(0)
        self.beta = settings.extra["beta"]
        self.encoder = keras.Sequential(
            [keras.Input((size,)), dense(96, settings), layers.Dense(2 * code)],
            name="encoder",
        )
        self.decoder = keras.Sequential(
            [
                keras.Input((code,)),
                dense(96, settings),
                layers.Dense(size, settings.output_activation),
            ],
            name="decoder",
        )
        self.divergence = keras.metrics.Mean("divergence")

    def call(self, x, training=False):
        mean, log_variance = ops.split(self.encoder(x), 2, axis=-1)
        code = mean
        if training:
            noise = keras.random.normal(
                ops.shape(mean), dtype=mean.dtype, seed=self.seeds
            )
            code = mean + ops.exp(log_variance / 2) * noise
        return {
            "picture": self.decoder(code),
            "mean": mean,
            "log_variance": log_variance,
        }

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        x, found = ops.cast(x, "float32"), ops.cast(y_pred["picture"], "float32")
        # The formula hands a nan on, at which some backends stop with an error.
        sure, unsure = ops.log(found + 1e-7), ops.log(1 - found + 1e-7)
        missed = -ops.sum(x * sure + (1 - x) * unsure, -1)
        mean = ops.cast(y_pred["mean"], "float32")
        log = ops.cast(y_pred["log_variance"], "float32")
        apart = ops.sum(ops.square(mean) + ops.exp(log) - 1 - log, -1) / 2
        self.divergence.update_state(apart)
        return ops.mean(missed + self.beta * apart)


class DigitVae(Program):
    """A variational autoencoder of digits."""

    kind = "variational autoencoder"
    metric = "share of the variance of the pixels that is explained"
    good = 0.45
    inputs = {"picture": "picture"}
    settings = Settings(
        rate=3e-3,
        epochs=10,
        batch_size=32,
        activation="relu",
        output_activation="sigmoid",
        kernel_initializer="he_normal",
        scale=1 / 255,
        frozen=(),
        extra={"beta": 1.0},
    )

    def data(self, seed):
        """Return digits."""
        return split(Part({"picture": small_digits(seed, 3000)}, {}), 2000, 400)

    def build(self, settings):
        """Return the variational autoencoder."""
        model = Vae(settings)
        model.build((None, 196))
        freeze(model, settings)
        model.compile(adam(settings))
        return model

    def score(self, model, part):
        """Return the share of the variance that the mean codes explain."""
        picture = part.x["picture"]
        return explained(picture, model.predict(picture, verbose=0)["picture"])


class ReversedGradient(layers.Layer):
    """Hands its input on, and its gradient with the other sign."""

    def call(self, x):
        return 2 * ops.stop_gradient(x) - x


class RowGan(keras.Model):
    """A generator and a critic that train in one step by a reversed gradient.

    Args:
        settings: `Settings` of the program.
        columns: Number of columns of a row.
    """

    def __init__(self, settings, columns):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(0)
        self.noises = 6
        self.generator = keras.Sequential(
            [
                keras.Input((self.noises,)),
                dense(64, settings),
                dense(64, settings),
                layers.Dense(columns, settings.output_activation),
            ],
            name="generator",
        )
        self.critic = keras.Sequential(
            [
                keras.Input((columns,)),
                dense(64, settings),
                layers.Dropout(settings.dropout),
                dense(64, settings),
                layers.Dense(1),
            ],
            name="critic",
        )
        self.reverse = ReversedGradient()

    def call(self, x, training=False):
        shape = ops.shape(x)[0], self.noises
        noise = keras.random.normal(shape, dtype=self.compute_dtype, seed=self.seeds)
        made = self.reverse(self.generator(noise, training=training))
        found = [self.critic(rows, training=training) for rows in (x, made)]
        return {"real": found[0], "made": found[1]}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        real, made = (ops.cast(y_pred[key], "float32") for key in ("real", "made"))
        return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(made))


class SensorGan(Program):
    """Rows of sensors in three clusters, made by an adversarial network."""

    kind = "adversarial, with a reversed gradient"
    metric = "closeness of made rows to real ones by energy distance"
    good = 0.8
    inputs = {"sensors": "numbers"}
    settings = Settings(
        rate=1e-3,
        epochs=12,
        batch_size=64,
        activation="leaky_relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.1,
        frozen=(),
    )

    def data(self, seed):
        """Return rows of four columns that depend on each other."""
        random = np.random.default_rng(seed)
        state = random.normal(size=(3000, 2))
        state[:, 0] += np.array([-2.5, 0, 2.5])[random.integers(0, 3, 3000)]
        mix = random.normal(size=(2, 4))
        rows = state @ mix + 0.3 * random.normal(size=(3000, 4))
        rows[:, 3] = np.abs(rows[:, 3])
        rows = ((rows - rows.mean(0)) / rows.std(0)).astype("float32")
        return split(Part({"sensors": rows}, {}), 2400)

    def build(self, settings):
        """Return the adversarial network."""
        model = RowGan(settings, 4)
        model.build((None, 4))
        freeze(model, settings)
        rate, clip = settings.rate, settings.clipnorm
        model.compile(keras.optimizers.Adam(rate, beta_1=0.5, clipnorm=clip))
        return model

    def score(self, model, part):
        """Return how close made rows are to the real ones."""
        real = part.x["sensors"]
        noise = np.random.default_rng(0).normal(size=(len(real), model.noises))
        noise = noise.astype("float32")
        return closeness(real, model.generator.predict(noise, verbose=0))


class TwoStepGan(keras.Model):
    """A generator and a critic, each with its optimizer.

    The step is written for TensorFlow and PyTorch.

    Args:
        generator: Model from noise to pictures.
        critic: Model from pictures to logits.
    """

    def __init__(self, generator, critic):
        super().__init__()
        self.generator, self.critic = generator, critic
        self.noises = generator.input_shape[-1]
        self.built = True

    def compile(self, generator_optimizer, critic_optimizer):
        super().compile()
        self.generator_optimizer = generator_optimizer
        self.critic_optimizer = critic_optimizer
        self.of_critic = keras.metrics.Mean("critic_loss")
        self.of_generator = keras.metrics.Mean("generator_loss")

    def call(self, x, training=False):
        return self.critic(x, training=training)

    def noise(self, x):
        """Return noise for as many rows."""
        return keras.random.normal((ops.shape(x)[0], self.noises))

    def critic_loss(self, x):
        """Return the loss of the critic, which tells real rows from made ones."""
        made = ops.stop_gradient(self.generator(self.noise(x), training=True))
        real, made = self.critic(x, training=True), self.critic(made, training=True)
        # Real rows count as 0.9, which keeps the critic from being too sure.
        sure = 0.9 * ops.softplus(-real) + 0.1 * ops.softplus(real)
        return ops.mean(sure) + ops.mean(ops.softplus(made))

    def generator_loss(self, x):
        """Return the loss of the generator, whose rows shall seem real."""
        made = self.generator(self.noise(x), training=True)
        return ops.mean(ops.softplus(-self.critic(made, training=True)))

    def descend(self, find, x, model, optimizer):
        """Take a step of one of the models and return its loss."""
        weights = model.trainable_weights
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = find(x)
            optimizer.apply(tape.gradient(loss, weights), weights)
            return loss
        import torch

        self.zero_grad()
        loss = find(x)
        loss.backward()
        with torch.no_grad():
            optimizer.apply([weight.value.grad for weight in weights], weights)
        return loss.detach()

    def train_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        x = ops.convert_to_tensor(x)
        pairs = (
            (self.critic_loss, self.critic, self.critic_optimizer, self.of_critic),
            (
                self.generator_loss,
                self.generator,
                self.generator_optimizer,
                self.of_generator,
            ),
        )
        for find, model, optimizer, metric in pairs:
            if model.trainable_weights:
                metric.update_state(self.descend(find, x, model, optimizer))
        return {metric.name: metric.result() for metric in self.metrics}


class DigitGan(Program):
    """Digits made by an adversarial network with two optimizers."""

    kind = "adversarial, with two optimizers"
    metric = "closeness of made pictures to real ones by energy distance"
    good = 0.55
    backends = ("tensorflow", "torch")
    inputs = {"picture": "picture"}
    settings = Settings(
        rate=5e-4,
        epochs=10,
        batch_size=64,
        activation="leaky_relu",
        output_activation="sigmoid",
        kernel_initializer="glorot_uniform",
        dropout=0.3,
        scale=1 / 255,
        batch_normalization=0.8,
        frozen=(),
    )

    def data(self, seed):
        """Return digits."""
        return split(Part({"picture": small_digits(seed, 3000)}, {}), 2500)

    def build(self, settings):
        """Return a generator with batch normalization, and a critic with dropout."""
        generator = keras.Sequential([keras.Input((24,))], name="generator")
        for units in (64, 128):
            generator.add(dense(units, settings))
            momentum = settings.batch_normalization
            generator.add(layers.BatchNormalization(momentum=momentum))
        generator.add(layers.Dense(196, settings.output_activation))
        critic = keras.Sequential([keras.Input((196,))], name="critic")
        for units in (128, 64):
            critic.add(dense(units, settings))
            critic.add(layers.Dropout(settings.dropout))
        critic.add(layers.Dense(1))
        model = freeze(TwoStepGan(generator, critic), settings)
        options = {"beta_1": 0.5, "clipnorm": settings.clipnorm}
        model.compile(
            keras.optimizers.Adam(settings.rate, **options),
            keras.optimizers.Adam(settings.rate, **options),
        )
        return model

    def score(self, model, part):
        """Return how close made pictures are to the real ones."""
        real = part.x["picture"]
        noise = np.random.default_rng(0).normal(size=(len(real), model.noises))
        noise = noise.astype("float32")
        return closeness(real, model.generator.predict(noise, verbose=0))
