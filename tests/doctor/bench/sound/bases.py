"""Networks that were trained before: fine-tuning, LoRA and distillation."""

import pathlib

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import (
    adam,
    beyond_chance,
    dense,
    freeze,
    loss_of,
    split,
)

DIGITS = pathlib.Path(__file__).parents[4] / "recipes/data/mnist10k.npz"
PRETRAINED = {}


def digits(seed, rows, classes=range(10)):
    """Return pictures of these digits, 0 to 255, and their numbers from 0."""
    with np.load(DIGITS) as file:
        x, y = file["x"], file["y"].astype("int32")
    chosen = np.flatnonzero(np.isin(y, classes))
    chosen = np.random.default_rng(seed).permutation(chosen)[:rows]
    return x[chosen][..., None].astype("float32"), y[chosen][:, None] - min(classes)


def pretrained(key, make, x, y):
    """Return the weights of a network, which is trained once in a process."""
    if key not in PRETRAINED:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float32")
        keras.utils.set_random_seed(0)
        net = make()
        top = layers.Dense(int(y.max()) + 1, "softmax")
        model = keras.Sequential([keras.Input(x.shape[1:]), net, top])
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x / 255, y, batch_size=64, epochs=4, verbose=0)
        PRETRAINED[key] = net.get_weights(), top.get_weights()
        keras.config.set_dtype_policy(policy)
    return PRETRAINED[key]


def convolutions(momentum=0.9):
    """Return the base: convolutions with batch normalization, and features of it."""
    base = keras.Sequential([keras.Input((28, 28, 1))], name="base")
    for filters in (16, 32, 48):
        base.add(layers.Conv2D(filters, 3, 2, "same", use_bias=False))
        base.add(layers.BatchNormalization(momentum=momentum))
        base.add(layers.Activation("relu"))
    base.add(layers.Flatten())
    return base


class LateDigits(Program):
    """A frozen base that knows the digits 0 to 4, and a head for 5 to 9."""

    kind = "fine-tuned base, frozen"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.8
    inputs = {"picture": "picture"}
    targets = {"digit": "class"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        output_activation="softmax",
        dropout=0.2,
        scale=1 / 255,
        frozen=("base",),
    )

    def data(self, seed):
        """Return few pictures of the late digits."""
        x, y = digits(seed, 1700, range(5, 10))
        every = Part({"picture": x}, {"digit": y})
        return split(every, 600, 200)

    def build(self, settings):
        """Return the base, in inference mode, with a new head."""
        base = convolutions()
        inputs = keras.Input((28, 28, 1))
        features = layers.Dropout(settings.dropout)(base(inputs, training=False))
        digit = layers.Dense(5, settings.output_activation, name="digit")(features)
        model = keras.Model(inputs, digit)
        x, y = digits(0, 3000, range(5))
        base.set_weights(pretrained("early", convolutions, x, y)[0])
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["picture"], verbose=0).argmax(-1)
        return beyond_chance((guess == part.y["digit"][:, 0]).mean(), 5)


class LateDigitsInTwoSteps(LateDigits):
    """The head is trained first, then the whole network with a tenth of the rate."""

    kind = "fine-tuned base, in two fits"
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        output_activation="linear",
        from_logits=True,
        dropout=0.2,
        scale=1 / 255,
        frozen=(),
        extra={"slower": 0.1},
    )

    def train(self, model, data, settings, callbacks):
        """Train the head with a frozen base, then all that is not frozen."""
        loss = loss_of(settings.loss, settings)
        options = {
            "batch_size": settings.batch_size,
            "shuffle": settings.shuffle,
            "sample_weight": data.train.weights,
            "class_weight": settings.class_weight,
            "validation_data": self.validation(data),
            "callbacks": callbacks,
            "verbose": 0,
        }
        half = max(1, settings.epochs // 2)
        base = model.get_layer("base")
        base.trainable = False
        model.compile(adam(settings), loss, metrics=["accuracy"])
        x, y = data.train.x["picture"], data.train.y["digit"]
        model.fit(x, y, epochs=half, **options)
        base.trainable = "base" not in settings.frozen
        rate = settings.rate * settings.extra["slower"]
        model.compile(adam(settings, rate), loss, metrics=["accuracy"])
        return model.fit(x, y, epochs=settings.epochs, initial_epoch=half, **options)


def hidden_layers():
    """Return the dense layers that are adapted by LoRA."""
    inner = [layers.Dense(96, "relu", name="first"), layers.Dense(64, "relu")]
    return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), *inner])


class SidewaysDigits(Program):
    """A network for upright digits is adapted to lying ones by matrices of low rank."""

    kind = "LoRA"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.75
    inputs = {"picture": "picture"}
    targets = {"digit": "class"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="softmax",
        scale=1 / 255,
        frozen=(),
        extra={"rank": 8},
    )

    def data(self, seed):
        """Return digits turned by a quarter, and less bright, with noise."""
        x, y = digits(seed + 1, 2500)
        random = np.random.default_rng(seed)
        x = np.rot90(x, axes=(1, 2)) * random.uniform(0.6, 1, (len(x), 1, 1, 1))
        x = x + 10 * random.normal(size=x.shape)
        every = Part({"picture": x.clip(0, 255).astype("float32")}, {"digit": y})
        return split(every, 1200, 300)

    def build(self, settings):
        """Return the trained network with LoRA in its hidden layers."""
        first = layers.Dense(96, settings.activation, name="first")
        second = layers.Dense(64, settings.activation, name="second")
        digit = layers.Dense(10, settings.output_activation, name="digit")
        parts = [keras.Input((28, 28, 1)), layers.Flatten(), first, second, digit]
        model = keras.Sequential(parts)
        inner, top = pretrained("upright", hidden_layers, *digits(0, 4000))
        model.set_weights([*inner, *top])
        for layer in (first, second):
            layer.enable_lora(settings.extra["rank"])
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["picture"], verbose=0).argmax(-1)
        return beyond_chance((guess == part.y["digit"][:, 0]).mean(), 10)


class Distiller(keras.Model):
    """A student that learns from labels and from the logits of a teacher.

    Args:
        student: Model from pictures to logits.
        teacher: Model from pictures to logits, which is not trained.
        alpha: Share of the loss of the labels.
        temperature: Softness of both outputs.
    """

    def __init__(self, student, teacher, alpha, temperature):
        super().__init__()
        self.student, self.teacher = student, teacher
        self.alpha, self.temperature = alpha, temperature
        self.teacher.trainable = False

    def call(self, x, training=False):
        return self.student(x, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        hard = super().compute_loss(x, y, y_pred, sample_weight, training)
        soft = ops.softmax(self.teacher(x, training=False) / self.temperature)
        log = ops.log_softmax(y_pred / self.temperature)
        loss = -ops.mean(ops.sum(soft * log, axis=-1)) * self.temperature**2
        return self.alpha * hard + (1 - self.alpha) * loss


class DigitDistillation(Program):
    """A small dense student learns from a convolutional teacher and from labels."""

    kind = "distillation"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.8
    inputs = {"picture": "picture"}
    targets = {"digit": "class"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="linear",
        from_logits=True,
        kernel_initializer="he_normal",
        dropout=0.1,
        scale=1 / 255,
        frozen=(),
        extra={"alpha": 0.3, "temperature": 3.0},
    )

    def data(self, seed):
        """Return digits."""
        x, y = digits(seed + 1, 2300)
        return split(Part({"picture": x}, {"digit": y}), 1000, 300)

    def build(self, settings):
        """Return the student with its teacher."""
        student = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Flatten(),
                dense(48, settings, name="hidden"),
                layers.Dropout(settings.dropout),
                layers.Dense(10, settings.output_activation, name="digit"),
            ],
            name="student",
        )
        inputs = keras.Input((28, 28, 1))
        base, top = convolutions(), layers.Dense(10)
        teacher = keras.Model(inputs, top(base(inputs)), name="teacher")
        extra = settings.extra
        model = Distiller(student, teacher, extra["alpha"], extra["temperature"])
        model.build((None, 28, 28, 1))
        of_base, of_top = pretrained("teacher", convolutions, *digits(0, 4000))
        base.set_weights(of_base)
        top.set_weights(of_top)
        freeze(student, settings)
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["picture"], verbose=0).argmax(-1)
        return beyond_chance((guess == part.y["digit"][:, 0]).mean(), 10)
