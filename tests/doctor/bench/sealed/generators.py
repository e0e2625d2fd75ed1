"""Models that make data: an autoencoder, a variational one, and a GAN."""

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split


def explained(true, found):
    """Return the explained share of the variance of each place, no lower than -1."""
    true, found = true.reshape(len(true), -1), found.reshape(len(true), -1)
    rest = np.mean((true - found.astype("float64")) ** 2)
    return max(-1.0, float(1 - rest / true.var(0).mean()))


class HeartBeats(Program):
    """Beats of a heart through a bottleneck, by convolutions that remove noise."""

    kind = "autoencoder"
    metric = "R2 of the beats"
    good = 0.65
    inputs = {"beat": "series"}
    targets = {"same": "other"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=32,
        loss="mse",
        activation="elu",
        output_activation="linear",
        kernel_initializer="he_normal",
        penalty=1e-6,
        noise=0.1,
        extra={"bottleneck": 8},
    )

    def data(self, seed):
        """Return beats of five waves that differ in height, width and place."""
        random = np.random.default_rng(seed)
        rows, time = 2000, np.linspace(0, 1, 64)
        beat = 0.06 * random.normal(size=(rows, 64))
        waves = [(0.2, 0.04, 0.3), (0.4, 0.02, -0.3), (0.45, 0.025, 1.5)]
        for place, width, height in [*waves, (0.5, 0.02, -0.5), (0.75, 0.07, 0.5)]:
            place = place + 0.02 * random.normal(size=(rows, 1))
            width = width * random.uniform(0.8, 1.3, (rows, 1))
            height = height * random.uniform(0.5, 1.5, (rows, 1))
            beat += height * np.exp(-(((time - place) / width) ** 2))
        beat = beat.astype("float32")[..., None]
        return split(Part({"beat": beat}, {"same": beat.copy()}), 1400, 200)

    def build(self, settings):
        """Return an encoder to a few numbers, and a decoder."""
        model = keras.Sequential(
            [
                keras.Input((64, 1), name="beat"),
                layers.GaussianNoise(settings.noise),
                layers.Conv1D(8, 5, 2, padding="same", **hidden(settings)),
                layers.Conv1D(16, 5, 2, padding="same", **hidden(settings)),
                layers.Flatten(),
                layers.Dense(settings.extra["bottleneck"], name="bottleneck"),
                layers.Dense(256, **hidden(settings)),
                layers.Reshape((16, 16)),
                layers.Conv1DTranspose(8, 5, 2, padding="same", **hidden(settings)),
                layers.Conv1DTranspose(
                    1, 5, 2, padding="same", activation=settings.output_activation
                ),
            ]
        )
        model.compile(
            keras.optimizers.Adam(settings.rate), settings.loss, metrics=["mae"]
        )
        return model

    def score(self, model, part):
        """Return R2 of the beats."""
        found = model.predict(part.x["beat"], verbose=0)
        return explained(part.y["same"], found)


class Sampling(layers.Layer):
    """Draw from a normal distribution, with its divergence as a loss."""

    def __init__(self, beta, **kwargs):
        super().__init__(**kwargs)
        self.beta = beta
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, mean, log_variance, training=False):
        terms = ops.square(mean) + ops.exp(log_variance) - log_variance - 1
        self.add_loss(self.beta * ops.mean(ops.sum(terms, axis=-1)) / 2)
        if not training:
            return mean
        noise = keras.random.normal(
            ops.shape(mean), dtype=mean.dtype, seed=self.seed_generator
        )
        return mean + ops.exp(log_variance / 2) * noise


class GalaxyModel(keras.Model):
    """A subclassed variational autoencoder."""

    def __init__(self, settings):
        super().__init__()
        extra = settings.extra
        self.deviation = extra["deviation"]
        options = {"strides": 2, "padding": "same"} | hidden(settings)
        self.encoder = keras.Sequential(
            [
                layers.Conv2D(8, 3, **options),
                layers.Conv2D(16, 3, **options),
                layers.Flatten(),
                layers.Dense(48, **hidden(settings)),
            ]
        )
        self.mean = layers.Dense(extra["latent"], name="mean")
        self.log_variance = layers.Dense(extra["latent"], name="log_variance")
        self.sampling = Sampling(extra["beta"])
        self.decoder = keras.Sequential(
            [
                layers.Dense(48, **hidden(settings)),
                layers.Dense(4 * 4 * 16, **hidden(settings)),
                layers.Reshape((4, 4, 16)),
                layers.Conv2DTranspose(8, 3, **options),
                layers.Conv2DTranspose(
                    1, 3, 2, padding="same", activation=settings.output_activation
                ),
            ]
        )

    def build(self, shape):
        self.encoder.build(shape)
        self.mean.build((None, 48))
        self.log_variance.build((None, 48))
        self.decoder.build((None, self.mean.units))
        self.built = True

    def call(self, inputs, training=False):
        flow = self.encoder(inputs, training=training)
        latent = self.sampling(
            self.mean(flow), self.log_variance(flow), training=training
        )
        return self.decoder(latent, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        wrong = ops.cast(y_pred, "float32") - ops.cast(x, "float32")
        likelihood = ops.sum(ops.square(wrong), axis=(1, 2, 3)) / self.deviation**2 / 2
        return ops.mean(likelihood) + sum(self.losses)


class GalaxyPictures(Program):
    """Pictures of galaxies by a variational autoencoder with its own loss."""

    kind = "VAE"
    metric = "R2 of the pictures from the means of their latent numbers"
    good = 0.6
    inputs = {"galaxy": "picture"}
    settings = Settings(
        rate=2e-3,
        epochs=9,
        batch_size=32,
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        scale=1 / 255,
        clipnorm=100.0,
        extra={"beta": 1.0, "latent": 6, "deviation": 0.1},
    )

    def data(self, seed):
        """Return noisy ellipses that differ in place, size, shape and light."""
        random = np.random.default_rng(seed)
        rows, line = 1800, np.linspace(-1, 1, 16)
        across, down = np.meshgrid(line, line)
        one = (rows, 1, 1)
        turn, size = random.uniform(0, np.pi, one), random.uniform(0.25, 0.5, one)
        left = across - random.normal(0, 0.2, one)
        up = down - random.normal(0, 0.2, one)
        long = (left * np.cos(turn) + up * np.sin(turn)) / size
        short = (up * np.cos(turn) - left * np.sin(turn)) / size
        short = short / random.uniform(0.4, 1, one)
        light = random.uniform(0.5, 1, one) * np.exp(-(long**2 + short**2))
        light = light + 0.05 * random.normal(size=light.shape)
        galaxy = (255 * np.clip(light, 0, 1)).round()[..., None].astype("float32")
        return split(Part({"galaxy": galaxy}, {}), 1300, 200)

    def build(self, settings):
        """Return the model with its own loss."""
        model = GalaxyModel(settings)
        model.build((None, 16, 16, 1))
        model.compile(keras.optimizers.Adam(settings.rate, clipnorm=settings.clipnorm))
        return model

    def score(self, model, part):
        """Return R2 of the pictures."""
        galaxy = part.x["galaxy"]
        return explained(galaxy, model.predict(galaxy, verbose=0))


class Adversaries(keras.Model):
    """A generator and a discriminator with an optimizer each."""

    def __init__(self, generator, discriminator, noise):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.noise = noise
        self.loss_of_generator = keras.metrics.Mean(name="generator")
        self.loss_of_discriminator = keras.metrics.Mean(name="discriminator")
        self.entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        self.seed_generator = keras.random.SeedGenerator(5)
        self.built = True

    def compile(self, optimizer, discriminator_optimizer):
        super().compile(optimizer)
        self.discriminator_optimizer = discriminator_optimizer
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.optimizer.build(self.generator.trainable_variables)

    def call(self, inputs, training=False):
        return self.generator(inputs, training=training)

    def draw(self, count):
        return keras.random.normal((count, self.noise), seed=self.seed_generator)

    def judge(self, real):
        """Return the loss of the discriminator."""
        fake = self.generator(self.draw(ops.shape(real)[0]), training=True)
        said = self.discriminator(real, training=True)
        loss = self.entropy(0.9 * ops.ones_like(said), said)
        said = self.discriminator(ops.stop_gradient(fake), training=True)
        return loss + self.entropy(ops.zeros_like(said), said)

    def deceive(self, real):
        """Return the loss of the generator."""
        fake = self.generator(self.draw(ops.shape(real)[0]), training=True)
        said = self.discriminator(fake, training=True)
        return self.entropy(ops.ones_like(said), said)

    def step(self, loss_of, real, part, optimizer):
        """Train a part with its loss by the way of the backend."""
        variables = part.trainable_variables
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = loss_of(real)
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return loss
        import torch

        self.zero_grad()
        loss = loss_of(real)
        loss.backward()
        with torch.no_grad():
            optimizer.apply([v.value.grad for v in variables], variables)
        return loss.detach()

    def train_step(self, data):
        real = data[0] if isinstance(data, tuple | list) else data
        loss = self.step(
            self.judge, real, self.discriminator, self.discriminator_optimizer
        )
        self.loss_of_discriminator.update_state(loss)
        loss = self.step(self.deceive, real, self.generator, self.optimizer)
        self.loss_of_generator.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}


class WeatherRecords(Program):
    """Made records of weather, by a GAN of tables with a custom train step."""

    kind = "GAN"
    metric = "distance to real records less than that of their mean"
    good = 0.6
    backends = ("tensorflow", "torch")
    inputs = {"record": "numbers"}
    settings = Settings(
        rate=1e-3,
        epochs=25,
        batch_size=64,
        activation="leaky_relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.1,
        extra={"noise": 8},
    )

    def data(self, seed):
        """Return standardized records of two seasons, and no validation."""
        random = np.random.default_rng(seed)
        rows = 2400
        summer = random.random(rows) < 0.6
        heat = np.where(summer, 22, 6) + 4 * random.normal(size=rows)
        damp = 90 - 1.2 * heat + 8 * random.normal(size=rows)
        wind = random.gamma(2, np.where(summer, 2, 4))
        air = 1013 - 0.8 * wind + 5 * random.normal(size=rows)
        x = np.stack([heat, damp, wind, air], 1)
        x = (x - x[:1600].mean(0)) / x[:1600].std(0)
        return split(Part({"record": x.astype("float32")}, {}), 1600, 0)

    def build(self, settings):
        """Return the two networks, each with an Adam of low momentum."""
        noise = settings.extra["noise"]
        generator = keras.Sequential(
            [
                keras.Input((noise,)),
                layers.Dense(32, **hidden(settings)),
                layers.Dense(32, **hidden(settings)),
                layers.Dense(4, settings.output_activation),
            ],
            name="generator",
        )
        discriminator = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(48, **hidden(settings)),
                layers.Dropout(settings.dropout),
                layers.Dense(32, **hidden(settings)),
                layers.Dense(1),
            ],
            name="discriminator",
        )
        model = Adversaries(generator, discriminator, noise)
        adam = keras.optimizers.Adam
        model.compile(adam(settings.rate, beta_1=0.5), adam(settings.rate, beta_1=0.5))
        return model

    def score(self, model, part):
        """Return one less the sliced distance, as a share of that of the mean."""
        real, random = part.x["record"], np.random.default_rng(0)
        noise = random.normal(size=(len(real), model.noise)).astype("float32")
        fake = model.predict(noise, verbose=0)
        sides = random.normal(size=(4, 64))
        sides /= np.linalg.norm(sides, axis=0)
        real, fake = (np.sort(values @ sides, axis=0) for values in (real, fake))
        return max(-1.0, 1 - abs(real - fake).mean() / abs(real).mean())
