"""Models that learn from other models: fine-tuned bases, LoRA, and distillation."""

import functools
import pathlib

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split

FOLDER = pathlib.Path(__file__).resolve().parents[4] / "recipes" / "data"


def pretrained(make):
    """Make a function of no arguments give its weights once, in float32 and seeded.

    It stands for a file of weights: it is called when a model is built already, so that
    whether it trains or remembers changes no random numbers of the model.
    """

    @functools.cache
    def wrapped():
        policy = keras.config.dtype_policy().name
        keras.config.set_dtype_policy("float32")
        try:
            keras.utils.set_random_seed(1234)
            return make()
        finally:
            keras.config.set_dtype_policy(policy)

    return wrapped


@functools.cache
def digits():
    """Return MNIST at half the size, and its labels."""
    with np.load(FOLDER / "mnist10k.npz") as arrays:
        x, y = arrays["x"].astype("float32"), arrays["y"].astype(int)
    return x.reshape(-1, 14, 2, 14, 2).mean((2, 4))[..., None], y


def base(momentum=0.9, activation="relu"):
    """Return a convolutional base with batch normalization."""
    picture = keras.Input((14, 14, 1))
    flow = picture
    for filters, strides in (16, 1), (24, 2), (32, 2):
        flow = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(flow)
        flow = layers.BatchNormalization(momentum=momentum)(flow)
        flow = layers.Activation(activation)(flow)
    return keras.Model(picture, layers.GlobalAveragePooling2D()(flow), name="base")


@pretrained
def base_weights():
    """Return weights of a base that was trained on the digits from 0 to 5."""
    x, y = digits()
    x, y = (values[y < 6][:2500] for values in (x, y))
    below = base()
    model = keras.Sequential([below, layers.Dense(6, "softmax")])
    model.compile(keras.optimizers.Adam(4e-3), "sparse_categorical_crossentropy")
    model.fit(x / 255, y, batch_size=64, epochs=3, verbose=0)
    return below.get_weights()


def new_digits(seed, train, validation):
    """Return few of the digits from 6 to 9, as classes from 0 to 3."""
    x, y = digits()
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(y > 5))
    part = Part({"digit": x[chosen]}, {"class": y[chosen] - 6})
    return split(part.rows(slice(0, train + validation + 600)), train, validation)


class NewDigits(Program):
    """New digits by a new head on a frozen base that was trained on other digits."""

    kind = "fine-tuned base"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.6
    inputs = {"digit": "picture"}
    targets = {"class": "class"}
    settings = Settings(
        rate=5e-3,
        epochs=12,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="softmax",
        kernel_initializer="glorot_uniform",
        dropout=0.2,
        scale=1 / 255,
        frozen=("base",),
        batch_normalization=0.9,
    )

    def data(self, seed):
        """Return 500 digits to train on."""
        return new_digits(seed, 500, 150)

    def build(self, settings):
        """Return the base with its weights, and a head of two layers."""
        picture = keras.Input((14, 14, 1), name="digit")
        below = base(settings.batch_normalization)
        flow = below(picture)
        plain = hidden(settings) | {"activation": None, "use_bias": False}
        flow = layers.Dense(32, name="top", **plain)(flow)
        flow = layers.BatchNormalization(momentum=settings.batch_normalization)(flow)
        flow = layers.Activation(settings.activation)(flow)
        flow = layers.Dropout(settings.dropout)(flow)
        flow = layers.Dense(4, settings.output_activation, name="class")(flow)
        model = keras.Model(picture, flow)
        below.set_weights(base_weights())
        for name in settings.frozen:
            model.get_layer(name).trainable = False
        model.compile(
            keras.optimizers.Adam(settings.rate), settings.loss, metrics=["accuracy"]
        )
        return model

    def score(self, model, part):
        """Return the accuracy, from 0 (chance) to 1."""
        found = model.predict(part.x["digit"], verbose=0).argmax(-1)
        return float((np.mean(found == part.y["class"]) - 0.25) / 0.75)


class NewDigitsInStages(Program):
    """New digits by two fits: of the head, then of everything with a smaller rate."""

    kind = "fine-tuned base"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.65
    inputs = {"digit": "picture"}
    targets = {"class": "class"}
    settings = Settings(
        rate=1e-2,
        epochs=6,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="linear",
        from_logits=True,
        noise=0.05,
        scale=1 / 255,
        frozen=(),
        extra={"later_rate": 0.2},
    )

    def data(self, seed):
        """Return 600 digits to train on."""
        return new_digits(seed, 600, 100)

    def compile(self, model, settings, rate):
        """Compile with this rate, and freeze what the settings say."""
        for name in settings.frozen:
            model.get_layer(name).trainable = False
        loss = settings.loss
        if loss == "sparse_categorical_crossentropy":
            loss = keras.losses.SparseCategoricalCrossentropy(settings.from_logits)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])

    def build(self, settings):
        """Return the frozen base with its weights, and a head of one layer."""
        picture = keras.Input((14, 14, 1), name="digit")
        below = base(activation=settings.activation)
        flow = layers.GaussianNoise(settings.noise)(picture)
        # The statistics of the base stay those of its own training in both stages.
        flow = below(flow, training=False)
        flow = layers.Dense(4, settings.output_activation, name="class")(flow)
        model = keras.Model(picture, flow)
        below.set_weights(base_weights())
        below.trainable = False
        self.compile(model, settings, settings.rate)
        return model

    def train(self, model, data, settings, callbacks):
        """Train the head, and then all layers."""
        super().train(model, data, settings, callbacks)
        model.get_layer("base").trainable = True
        self.compile(model, settings, settings.rate * settings.extra["later_rate"])
        return super().train(model, data, settings, callbacks)

    def score(self, model, part):
        """Return the accuracy, from 0 (chance) to 1."""
        found = model.predict(part.x["digit"], verbose=0).argmax(-1)
        return float((np.mean(found == part.y["class"]) - 0.25) / 0.75)


def spectra(random, rows, shift):
    """Return spectra of three substances by an instrument, and the concentrations."""
    wave = np.arange(60)
    content = random.uniform(0, 1, (rows, 3))
    peaks = np.zeros((3, 60))
    for which, centers in enumerate([(12, 40), (20, 31), (26, 50)]):
        for center in centers:
            peaks[which] += np.exp(-(((wave - center - shift) / 3.5) ** 2))
    light = content @ peaks + random.uniform(0, 0.3, (rows, 1))
    light = light + random.uniform(-0.2, 0.2, (rows, 1)) * wave / 60
    # The detector saturates, the more so when it is the shifted one.
    light = light / (1 + (0.2 + 0.1 * shift) * light)
    light = light + random.normal(0, 0.03, light.shape)
    return (1000 * light).round().astype("float32"), content.astype("float32")


def calibration(settings=None):
    """Return a network from a spectrum to the concentrations."""
    options = hidden(settings) if settings else {"activation": "relu"}
    spectrum = keras.Input((60,), name="spectrum")
    flow = spectrum
    for name in "low", "high":
        flow = layers.EinsumDense("bi,io->bo", 64, bias_axes="o", name=name, **options)(
            flow
        )
    output = settings.output_activation if settings else "linear"
    return keras.Model(spectrum, layers.Dense(3, output, name="content")(flow))


@pretrained
def calibration_weights():
    """Return weights of the network that was trained on another instrument."""
    x, y = spectra(np.random.default_rng(99), 3000, 0)
    model = calibration()
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    model.fit(x / 1000, y, batch_size=64, epochs=10, verbose=0)
    return model.get_weights()


class MovedCalibration(Program):
    """A calibration of one instrument, moved to another one by LoRA."""

    kind = "LoRA"
    metric = "R2 of the concentrations"
    good = 0.75
    inputs = {"spectrum": "series"}
    targets = {"content": "numbers"}
    settings = Settings(
        rate=5e-3,
        epochs=20,
        batch_size=32,
        loss="mse",
        activation="relu",
        output_activation="linear",
        scale=1 / 1000,
        frozen=(),
        extra={"rank": 4},
    )

    def data(self, seed):
        """Return spectra of the new instrument, in thousandths."""
        x, y = spectra(np.random.default_rng(seed), 1200, 3)
        return split(Part({"spectrum": x}, {"content": y}), 500, 150)

    def build(self, settings):
        """Return the network with its weights and with adapters to train."""
        model = calibration(settings)
        model.set_weights(calibration_weights())
        for name in "low", "high":
            model.get_layer(name).enable_lora(settings.extra["rank"])
        for name in settings.frozen:
            model.get_layer(name).trainable = False
        model.compile(
            keras.optimizers.Adam(settings.rate), settings.loss, metrics=["mae"]
        )
        return model

    def score(self, model, part):
        """Return the mean R2 of the concentrations."""
        true, found = part.y["content"], model.predict(part.x["spectrum"], verbose=0)
        rest = ((true - found) ** 2).mean(0) / true.var(0)
        return max(-1.0, float(1 - rest.mean()))


class Student(keras.Model):
    """A functional model that follows the logits of a teacher and the classes."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        logits = ops.cast(y_pred, "float32")
        losses = keras.losses
        hard = losses.sparse_categorical_crossentropy(
            y["class"], logits, from_logits=self.from_logits
        )
        teacher = ops.softmax(ops.cast(y["teacher"], "float32") / self.temperature)
        ours = logits / self.temperature
        soft = losses.categorical_crossentropy(teacher, ours, from_logits=True)
        soft = soft * self.temperature**2
        loss = ops.mean(self.share * soft + (1 - self.share) * hard)
        return loss + sum(self.losses) if self.losses else loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y["class"], y_pred, sample_weight)


class ForestStudent(Program):
    """A small network learns from the votes of a random forest, and from labels."""

    kind = "distillation"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.75
    inputs = {"digit": "picture"}
    targets = {"class": "class", "teacher": "other"}
    settings = Settings(
        rate=5e-3,
        epochs=15,
        batch_size=32,
        activation="relu",
        output_activation="linear",
        from_logits=True,
        kernel_initializer="he_normal",
        penalty=1e-5,
        scale=1 / 16,
        extra={"temperature": 2.0, "share": 0.7},
    )

    def data(self, seed):
        """Return digits of 8 x 8 pixels, and the logits of a forest for them."""
        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(y))
        x, y = x[order].astype("float32"), y[order]
        # The forest saw other rows than the student, which gets what it says of all.
        forest = RandomForestClassifier(60, random_state=seed).fit(x[:500], y[:500])
        teacher = np.log(forest.predict_proba(x) + 0.01).astype("float32")
        part = Part({"digit": x.reshape(-1, 8, 8, 1)}, {"class": y, "teacher": teacher})
        return split(part.rows(slice(500, None)), 700, 150)

    def build(self, settings):
        """Return a small convolutional student."""
        digit = keras.Input((8, 8, 1), name="digit")
        flow = layers.Conv2D(8, 3, 2, padding="same", **hidden(settings))(digit)
        flow = layers.Flatten()(flow)
        flow = layers.Dense(24, **hidden(settings))(flow)
        flow = layers.Dense(10, settings.output_activation, name="class")(flow)
        model = Student(digit, flow)
        model.from_logits = settings.from_logits
        model.temperature = settings.extra["temperature"]
        model.share = settings.extra["share"]
        model.compile(keras.optimizers.Adam(settings.rate), metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy, from 0 (chance) to 1."""
        found = model.predict(part.x["digit"], verbose=0).argmax(-1)
        return float((np.mean(found == part.y["class"]) - 0.1) / 0.9)
