"""Tables of numbers: regression, classes, counts with exposure, and rare events."""

import keras
import numpy as np
from keras import layers

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import (
    adam,
    beyond_chance,
    dense,
    explained,
    freeze,
    logistic,
    loss_of,
    split,
)


class HousePrices(Program):
    """Standardized columns of a house; what is its price?"""

    kind = "plain table regression"
    metric = "share of the variance of the prices that is explained"
    good = 0.7
    inputs = {"house": "numbers"}
    targets = {"price": "numbers"}
    settings = Settings(
        rate=2e-3,
        epochs=10,
        batch_size=32,
        loss="mean_squared_error",
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        penalty=1e-5,
        frozen=(),
    )

    def data(self, seed):
        """Return houses whose price has interactions, saturation and noise."""
        random = np.random.default_rng(seed)
        house = random.normal(size=(3000, 8))
        price = 1.2 * house[:, 0] - 0.6 * np.tanh(2 * house[:, 1])
        price += 0.7 * house[:, 2] * (house[:, 3] > 0) + 0.4 * np.abs(house[:, 4])
        price += 0.5 * random.normal(size=3000)
        price = ((price - price.mean()) / price.std())[:, None]
        every = Part(
            {"house": house.astype("float32")}, {"price": price.astype("float32")}
        )
        return split(every, 2000, 400)

    def build(self, settings):
        """Return a sequential network with two hidden layers."""
        model = keras.Sequential(
            [
                keras.Input((8,)),
                dense(48, settings, name="first"),
                dense(24, settings, name="second"),
                layers.Dense(1, settings.output_activation, name="price"),
            ]
        )
        freeze(model, settings)
        model.compile(adam(settings), loss_of(settings.loss, settings), metrics=["mae"])
        return model

    def score(self, model, part):
        """Return the share of the variance that is explained."""
        return explained(part.y["price"], model.predict(part.x["house"], verbose=0))


class CropKinds(Program):
    """Columns in their own units, which a layer normalizes; which crop is it?"""

    kind = "multi-class table"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.6
    inputs = {"field": "numbers"}
    targets = {"crop": "class"}
    settings = Settings(
        rate=3e-3,
        epochs=10,
        batch_size=64,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="linear",
        from_logits=True,
        kernel_initializer="he_uniform",
        dropout=0.2,
        batch_normalization=0.9,
        frozen=(),
    )

    def data(self, seed):
        """Return fields of six crops, each of which grows in two kinds of field."""
        random = np.random.default_rng(seed)
        centers = random.normal(size=(6, 2, 10))
        crop, kind = random.integers(0, 6, 3200), random.integers(0, 2, 3200)
        field = centers[crop, kind] + 0.9 * random.normal(size=(3200, 10))
        units = np.exp(random.normal(1, 1, 10))
        field = field * units + units * random.uniform(1, 6, 10)
        every = Part(
            {"field": field.astype("float32")}, {"crop": crop[:, None].astype("int32")}
        )
        return split(every, 2000, 400)

    def build(self, settings):
        """Return a sequential network with batch normalization."""
        model = keras.Sequential(
            [keras.Input((10,)), layers.Normalization(name="units")]
        )
        for name in ("first", "second"):
            momentum = settings.batch_normalization
            model.add(dense(64, settings, name=name, activation=None, use_bias=False))
            model.add(layers.BatchNormalization(momentum=momentum))
            model.add(layers.Activation(settings.activation))
            model.add(layers.Dropout(settings.dropout))
        model.add(layers.Dense(6, settings.output_activation, name="crop"))
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def train(self, model, data, settings, callbacks):
        """Learn the units of the columns, then train."""
        model.get_layer("units").adapt(data.train.x["field"])
        return super().train(model, data, settings, callbacks)

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["field"], verbose=0).argmax(-1)
        return beyond_chance((guess == part.y["crop"][:, 0]).mean(), 6)


class CardFraud(Program):
    """Payments of which one in twenty is fraud; the classes are weighted."""

    kind = "imbalance with class weights"
    metric = "balanced accuracy at 0.5, from 0 (chance) to 1"
    good = 0.7
    inputs = {"payment": "numbers"}
    targets = {"fraud": "binary"}
    settings = Settings(
        rate=2e-3,
        epochs=6,
        batch_size=64,
        loss="binary_crossentropy",
        activation="gelu",
        output_activation="sigmoid",
        kernel_initializer="glorot_uniform",
        dropout=0.2,
        penalty=1e-4,
        clipnorm=1.0,
        class_weight={0: 0.53, 1: 10.0},
        frozen=(),
    )

    def data(self, seed):
        """Return payments with heavy tails and rare, partly hidden fraud."""
        random = np.random.default_rng(seed)
        payment = random.standard_t(6, size=(6500, 12)) / 1.2
        odds = 1.5 * payment[:, 0] + 1.2 * payment[:, 1] - payment[:, 2] ** 2
        odds += 1.2 * payment[:, 3] * payment[:, 4]
        odds = odds - np.quantile(odds, 0.95)
        fraud = (random.random(6500) < logistic(4 * odds)).astype("float32")
        every = Part({"payment": payment.astype("float32")}, {"fraud": fraud[:, None]})
        return split(every, 4000, 1000)

    def build(self, settings):
        """Return a functional network with dropout."""
        inputs = keras.Input((12,), name="payment")
        hidden = layers.Dropout(settings.dropout)(dense(32, settings)(inputs))
        hidden = layers.Dropout(settings.dropout)(dense(32, settings)(hidden))
        fraud = layers.Dense(1, settings.output_activation, name="fraud")(hidden)
        model = freeze(keras.Model(inputs, fraud), settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["auc", "recall"])
        return model

    def score(self, model, part):
        """Return the balanced accuracy beyond chance."""
        guess = model.predict(part.x["payment"], verbose=0)[:, 0] > 0.5
        fraud = part.y["fraud"][:, 0] > 0.5
        return float(guess[fraud].mean() - guess[~fraud].mean())


class ClaimCounts(Program):
    """Claims per year of a policy, each row weighted by the years it was seen."""

    kind = "table regression with sample weights"
    metric = "share of the Poisson deviance that is explained"
    good = 0.4
    inputs = {"policy": "numbers"}
    targets = {"claims": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=64,
        loss="poisson",
        activation="relu",
        output_activation="exponential",
        kernel_initializer="he_normal",
        dropout=0.05,
        frozen=(),
    )

    def data(self, seed):
        """Return claims per year, with the years as weights."""
        random = np.random.default_rng(seed)
        policy = random.normal(size=(3500, 7))
        level = 1.6 + 0.5 * policy[:, 0] - 0.4 * np.abs(policy[:, 1])
        level += 0.35 * policy[:, 2] * policy[:, 3]
        years = random.uniform(0.2, 2.0, 3500)
        claims = (random.poisson(np.exp(level) * years) / years)[:, None]
        every = Part(
            {"policy": policy.astype("float32")},
            {"claims": claims.astype("float32")},
            years.astype("float32"),
        )
        return split(every, 2400, 400)

    def build(self, settings):
        """Return a network whose output is a positive rate."""
        inputs = keras.Input((7,), name="policy")
        hidden = dense(48, settings, name="first")(inputs)
        hidden = layers.Dropout(settings.dropout)(hidden)
        hidden = dense(24, settings, name="second")(hidden)
        claims = layers.Dense(1, settings.output_activation, name="claims")(hidden)
        model = freeze(keras.Model(inputs, claims), settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, weighted_metrics=["mae"])
        return model

    def score(self, model, part):
        """Return the share of the deviance of the mean rate that is explained."""
        years, claims = part.weights, part.y["claims"][:, 0]
        mean = np.average(claims, weights=years)

        def deviance(rate):
            rate = np.clip(rate, 1e-6, 1e6)
            log = np.log(np.maximum(claims, 1e-9) / rate)
            return (
                years * (np.where(claims > 0, claims * log, 0) - claims + rate)
            ).sum()

        rate = model.predict(part.x["policy"], verbose=0)[:, 0].astype("float64")
        return max(-1.0, 1 - float(deviance(rate) / deviance(np.full_like(rate, mean))))
