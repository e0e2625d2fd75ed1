"""Tables of numbers and ids: counts, strengths, classes, and columns of real data."""

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import load_breast_cancer

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split


def explained(true, found, weights=None):
    """Return the explained share of the variance, no lower than -1."""
    true, found = np.ravel(true), np.ravel(found).astype("float64")
    mean = np.average(true, weights=weights)
    rest = np.average((true - found) ** 2, weights=weights)
    return max(-1.0, 1 - rest / np.average((true - mean) ** 2, weights=weights))


def skill(true, found):
    """Return the accuracy, from 0 (always the commonest class) to 1."""
    true = np.ravel(true).astype(int)
    chance = np.bincount(true).max() / len(true)
    return float((np.mean(true == np.ravel(found)) - chance) / (1 - chance))


class ClaimCounts(Program):
    """How many claims does a fleet have, by its numbers, region and brand?"""

    kind = "tabular with embeddings"
    metric = "explained share of the Poisson deviance"
    good = 0.55
    inputs = {"fleet": "numbers", "region": "ids", "brand": "ids"}
    targets = {"claims": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=10,
        batch_size=64,
        loss="poisson",
        activation="silu",
        output_activation="exponential",
        kernel_initializer="glorot_uniform",
        penalty=1e-5,
        vocabulary=22,
    )

    def data(self, seed):
        """Return fleets whose claims are Poisson counts."""
        random = np.random.default_rng(seed)
        rows = 4000
        fleet = random.normal(size=(rows, 5)).astype("float32")
        region, brand = random.integers(0, 22, rows), random.integers(0, 9, rows)
        rate = 0.7 + 0.5 * fleet[:, 0] + 0.3 * fleet[:, 1] ** 2
        rate = rate - 0.4 * np.maximum(fleet[:, 2], 0) + 0.3 * fleet[:, 3]
        rate = rate + random.normal(0, 0.5, 22)[region]
        rate = rate + random.normal(0, 0.3, 9)[brand]
        claims = random.poisson(np.exp(np.minimum(rate, 3.0))).astype("float32")
        x = {"fleet": fleet, "region": region[:, None], "brand": brand[:, None]}
        return split(Part(x, {"claims": claims[:, None]}), 2800, 500)

    def build(self, settings):
        """Return a wide and deep network for the expected count."""
        inputs = {
            "fleet": keras.Input((5,), name="fleet"),
            "region": keras.Input((1,), dtype="int32", name="region"),
            "brand": keras.Input((1,), dtype="int32", name="brand"),
        }
        wide = layers.Concatenate()(
            [
                layers.Flatten()(
                    layers.Embedding(settings.vocabulary, 3)(inputs["region"])
                ),
                layers.Flatten()(layers.Embedding(9, 2)(inputs["brand"])),
                inputs["fleet"],
            ]
        )
        deep = layers.Dense(32, **hidden(settings))(wide)
        deep = layers.Dense(16, **hidden(settings))(deep)
        both = layers.Concatenate()([wide, deep])
        claims = layers.Dense(1, settings.output_activation, name="claims")(both)
        model = keras.Model(inputs, claims)
        model.compile(
            keras.optimizers.Adam(settings.rate), settings.loss, metrics=["mae"]
        )
        return model

    def score(self, model, part):
        """Return the explained share of the Poisson deviance."""
        claims = part.y["claims"][:, 0].astype("float64")
        found = model.predict(part.x, verbose=0)[:, 0].astype("float64")

        def deviance(mean):
            mean = np.clip(mean, 1e-6, 1e6)
            logs = claims * np.log(np.maximum(claims, 1e-9) / mean)
            return np.mean(logs - claims + mean)

        flat = deviance(np.full(len(claims), claims.mean()))
        return max(-1.0, 1 - deviance(found) / flat)


class ConcreteStrength(Program):
    """Strength of concrete from its mixture and age, by a residual network."""

    kind = "table regression"
    metric = "R2 of the strength"
    good = 0.75
    inputs = {"mixture": "numbers"}
    targets = {"strength": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=10,
        batch_size=32,
        loss="huber",
        activation="gelu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.05,
        clipnorm=1.0,
        axis=-1,
    )

    def data(self, seed):
        """Return mixtures in kilograms, all columns standardized by training rows."""
        random = np.random.default_rng(seed)
        rows, low = 2600, [150, 0, 0, 140, 0, 800, 600]
        kilograms = random.uniform(low, [500, 200, 150, 230, 20, 1100, 900], (rows, 7))
        age = np.exp(random.uniform(np.log(3), np.log(180), rows))
        cement, slag, ash, water, plasticizer = kilograms.T[:5]
        binder = cement + 0.7 * slag + 0.4 * ash
        ratio = water * (1 - 0.012 * plasticizer) / binder
        strength = 95 / 7 ** (1.3 * ratio) * np.log1p(age) / np.log(29)
        strength = strength * (1 + 0.08 * random.normal(size=rows))
        strength = strength + random.standard_t(3, rows) * 2
        x, y = np.column_stack([kilograms, np.log(age)]), strength[:, None]
        x, y = ((v - v[:1600].mean(0)) / v[:1600].std(0) for v in (x, y))
        part = Part({"mixture": x.astype("float32")}, {"strength": y.astype("float32")})
        return split(part, 1600, 400)

    def build(self, settings):
        """Return a network of two residual blocks."""
        mixture = keras.Input((8,), name="mixture")
        flow = layers.Dense(48, **hidden(settings))(mixture)
        for _ in range(2):
            branch = layers.LayerNormalization(axis=settings.axis)(flow)
            branch = layers.Dense(48, **hidden(settings))(branch)
            branch = layers.Dropout(settings.dropout)(branch)
            flow = layers.Add()([flow, layers.Dense(48)(branch)])
        strength = layers.Dense(1, settings.output_activation, name="strength")(flow)
        model = keras.Model(mixture, strength)
        steps = settings.epochs * -(-1600 // settings.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(settings.rate, steps, alpha=0.02)
        model.compile(
            keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=settings.clipnorm),
            settings.loss,
            metrics=["mae", "r2_score"],
        )
        return model

    def score(self, model, part):
        """Return R2 of the strength."""
        found = model.predict(part.x["mixture"], verbose=0)
        return explained(part.y["strength"], found)


class StarKind(Program):
    """Which of five kinds is a star of these magnitudes? Labels are one hot."""

    kind = "multi-class table"
    metric = "accuracy, from 0 (always the commonest class) to 1"
    good = 0.6
    inputs = {"magnitudes": "numbers"}
    targets = {"kind": "one hot"}
    settings = Settings(
        rate=0.05,
        epochs=8,
        batch_size=32,
        loss="categorical_crossentropy",
        activation="relu",
        output_activation="softmax",
        from_logits=False,
        kernel_initializer="he_uniform",
        penalty=1e-5,
        batch_normalization=0.9,
    )

    def data(self, seed):
        """Return the magnitudes in five bands, whose differences tell the kinds."""
        random = np.random.default_rng(seed)
        rows = 2500
        kind = random.choice(5, rows, p=[0.35, 0.25, 0.18, 0.12, 0.1])
        # Classes differ in the slope and the bend of their spectrum. A temperature that
        # differs by star bends it too.
        place = np.linspace(-1, 1, 5)
        slope = np.array([-0.9, -0.3, 0.3, 0.9, 0.0])[kind][:, None]
        bend = np.array([0.2, -0.4, 0.5, 0.0, 1.1])[kind][:, None]
        bands = slope * place + bend * place**2
        warmth = random.normal(size=(rows, 1))
        bands = bands + 0.2 * warmth * place + 0.3 * warmth**2 * place**2
        bands = bands + 18 + random.normal(size=(rows, 1))
        bands = bands + random.normal(0, 0.15, (rows, 5))
        x = {"magnitudes": bands.astype("float32")}
        return split(Part(x, {"kind": np.eye(5, dtype="float32")[kind]}), 1700, 300)

    def build(self, settings):
        """Return a network that normalizes its inputs and its hidden layers."""
        plain = hidden(settings) | {"activation": None, "use_bias": False}
        momentum = settings.batch_normalization
        model = keras.Sequential([keras.Input((5,), name="magnitudes")])
        model.add(layers.BatchNormalization(momentum=momentum))
        for units in 48, 32:
            model.add(layers.Dense(units, **plain))
            model.add(layers.BatchNormalization(momentum=momentum))
            model.add(layers.Activation(settings.activation))
        model.add(layers.Dense(5, settings.output_activation, name="kind"))
        loss = settings.loss
        if loss == "categorical_crossentropy":
            loss = keras.losses.CategoricalCrossentropy(
                from_logits=settings.from_logits, label_smoothing=0.05
            )
        model.compile(
            keras.optimizers.SGD(settings.rate, momentum=0.9, nesterov=True),
            loss,
            metrics=["accuracy"],
        )
        return model

    def score(self, model, part):
        """Return the accuracy, from 0 (always the commonest class) to 1."""
        found = model.predict(part.x["magnitudes"], verbose=0).argmax(-1)
        return skill(part.y["kind"].argmax(-1), found)


class TumorKind(Program):
    """Is a tumor malignant? A self-normalizing network on few real rows."""

    kind = "binary table"
    metric = "accuracy, from 0 (always the commonest class) to 1"
    good = 0.7
    inputs = {"cells": "numbers"}
    targets = {"malignant": "binary"}
    settings = Settings(
        rate=2e-3,
        epochs=15,
        batch_size=16,
        loss="binary_crossentropy",
        activation="selu",
        output_activation="sigmoid",
        kernel_initializer="lecun_normal",
        dropout=0.05,
    )

    def data(self, seed):
        """Return the ten mean columns of the breast cancer data, and no validation."""
        every = load_breast_cancer()
        order = np.random.default_rng(seed).permutation(len(every.target))
        x, y = every.data[order, :10], 1 - every.target[order]
        x = ((x - x[:369].mean(0)) / x[:369].std(0)).astype("float32")
        part = Part({"cells": x}, {"malignant": y.astype("float32")[:, None]})
        return split(part, 369, 0)

    def build(self, settings):
        """Return a network of SELU layers with alpha dropout."""
        model = keras.Sequential([keras.Input((10,), name="cells")])
        for units in 24, 24, 12:
            model.add(layers.Dense(units, **hidden(settings)))
            model.add(layers.AlphaDropout(settings.dropout))
        model.add(layers.Dense(1, settings.output_activation, name="malignant"))
        model.compile(
            keras.optimizers.Nadam(settings.rate), settings.loss, metrics=["accuracy"]
        )
        return model

    def score(self, model, part):
        """Return the accuracy, from 0 (always the commonest class) to 1."""
        found = model.predict(part.x["cells"], verbose=0)[:, 0] > 0.5
        return skill(part.y["malignant"], found)


class Experts(layers.Layer):
    """Linear experts that a gate weighs, with a penalty on an unbalanced gate."""

    def __init__(self, experts, units, balance, **kwargs):
        super().__init__(**kwargs)
        self.balance = balance
        self.count = experts
        self.gate = layers.Dense(experts, "softmax")
        self.experts = layers.EinsumDense(
            "bi,ieo->beo", (experts, units), bias_axes="eo"
        )

    def build(self, shape):
        self.gate.build(shape)
        self.experts.build(shape)
        self.built = True

    def call(self, inputs):
        gate = self.gate(inputs)
        shares = ops.mean(gate, axis=0)
        self.add_loss(self.balance * (self.count * ops.sum(shares**2) - 1))
        return ops.sum(gate[..., None] * self.experts(inputs), axis=1)


class PlantEfficiency(Program):
    """Efficiency of a plant that works in several regimes, by a mixture of experts."""

    kind = "table regression with a loss of a layer"
    metric = "R2 of the efficiency"
    good = 0.6
    inputs = {"sensors": "numbers"}
    targets = {"efficiency": "numbers"}
    settings = Settings(
        rate=1e-2,
        epochs=10,
        batch_size=64,
        loss="mse",
        activation="tanh",
        output_activation="linear",
        kernel_initializer="glorot_normal",
        penalty=1e-5,
        scale=0.01,
        extra={"experts": 4, "balance": 0.01},
    )

    def data(self, seed):
        """Return sensors in hundreds, and an efficiency that is linear by regime."""
        random = np.random.default_rng(seed)
        rows = 3000
        x = random.normal(size=(rows, 6))
        regime = 2 * (x[:, 0] > 0.2) + (x[:, 1] > -0.2)
        slopes = random.normal(size=(4, 6))
        y = (slopes[regime] * x).sum(1) + random.normal(size=4)[regime]
        y = y / y.std() + 0.25 * random.normal(size=rows)
        sensors = (100 * x + 50).astype("float32")
        part = Part({"sensors": sensors}, {"efficiency": y[:, None].astype("float32")})
        return split(part, 2000, 400)

    def build(self, settings):
        """Return a hidden layer, the mixture of experts, and the output."""
        extra = settings.extra
        sensors = keras.Input((6,), name="sensors")
        flow = layers.Dense(32, **hidden(settings))(sensors)
        flow = layers.Concatenate()([sensors, flow])
        flow = Experts(extra["experts"], 8, extra["balance"])(flow)
        flow = layers.Dense(1, settings.output_activation, name="efficiency")(flow)
        model = keras.Model(sensors, flow)
        model.compile(
            keras.optimizers.Adam(settings.rate), settings.loss, metrics=["mae"]
        )
        return model

    def score(self, model, part):
        """Return R2 of the efficiency."""
        found = model.predict(part.x["sensors"], verbose=0)
        return explained(part.y["efficiency"], found)
