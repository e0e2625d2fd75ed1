"""Tables with a loss, outputs or a training step of their own."""

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import (
    adam,
    beyond_chance,
    dense,
    explained,
    freeze,
    loss_of,
    split,
)


class DeliveryTimes(Program):
    """Three quantiles of a time of delivery, with a loss of its own."""

    kind = "own loss (quantiles)"
    metric = "share of the pinball loss of constant quantiles that is avoided"
    good = 0.35
    inputs = {"order": "numbers"}
    targets = {"hours": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=64,
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        frozen=(),
        extra={"quantiles": (0.1, 0.5, 0.9)},
    )

    def data(self, seed):
        """Return orders whose times are skewed, and wider for some than others."""
        random = np.random.default_rng(seed)
        order = random.normal(size=(3200, 6))
        hours = 1.5 * np.abs(order[:, 0]) + order[:, 1] * (order[:, 2] > 0)
        hours += np.exp(0.5 * order[:, 3] - 1) * random.gamma(2, 1, 3200)
        every = Part(
            {"order": order.astype("float32")},
            {"hours": hours[:, None].astype("float32")},
        )
        return split(every, 2200, 400)

    def build(self, settings):
        """Return a network with an output for each quantile."""
        levels = settings.extra["quantiles"]

        def pinball(truth, guess):
            short = truth - guess
            level = ops.cast(ops.convert_to_tensor(levels), short.dtype)
            return ops.mean(ops.maximum(level * short, (level - 1) * short), axis=-1)

        inputs = keras.Input((6,), name="order")
        hidden = dense(48, settings, name="first")(inputs)
        hidden = dense(32, settings, name="second")(hidden)
        output = layers.Dense(len(levels), settings.output_activation, name="hours")
        model = freeze(keras.Model(inputs, output(hidden)), settings)
        model.compile(adam(settings), pinball)
        return model

    def score(self, model, part):
        """Return the share of the pinball loss that is avoided."""
        hours = part.y["hours"]
        levels = np.array(self.settings.extra["quantiles"])

        def pinball(guess):
            short = hours - guess
            return np.maximum(levels * short, (levels - 1) * short).mean()

        guess = model.predict(part.x["order"], verbose=0).astype("float64")
        return max(
            -1.0, 1 - float(pinball(guess) / pinball(np.quantile(hours, levels)))
        )


class HouseholdSurvey(Program):
    """One trunk tells the income of a household and its kind of work."""

    kind = "multi-task with several outputs"
    metric = "mean of explained variance of income and accuracy of work beyond chance"
    good = 0.6
    inputs = {"answers": "numbers"}
    targets = {"income": "numbers", "work": "class"}
    settings = Settings(
        rate=3e-3,
        epochs=10,
        batch_size=64,
        loss={
            "income": "mean_squared_error",
            "work": "sparse_categorical_crossentropy",
        },
        activation="relu",
        output_activation="softmax",
        kernel_initializer="he_normal",
        dropout=0.1,
        frozen=(),
        extra={"loss_weights": {"income": 1.0, "work": 1.0}},
    )

    def data(self, seed):
        """Return answers from which both targets follow by a common hidden state."""
        random = np.random.default_rng(seed)
        answers = random.normal(size=(3000, 12))
        state = np.tanh(answers @ random.normal(size=(12, 5)) / 2)
        state = state + 0.3 * random.normal(size=state.shape)
        income = state @ random.normal(size=5) + 0.3 * random.normal(size=3000)
        income = ((income - income.mean()) / income.std())[:, None]
        work = (state @ random.normal(size=(5, 4))).argmax(-1)[:, None]
        every = Part(
            {"answers": answers.astype("float32")},
            {"income": income.astype("float32"), "work": work.astype("int32")},
        )
        return split(every, 2000, 400)

    def build(self, settings):
        """Return a trunk with a head for each target."""
        inputs = keras.Input((12,), name="answers")
        hidden = dense(48, settings, name="trunk")(inputs)
        hidden = layers.Dropout(settings.dropout)(hidden)
        outputs = {
            "income": layers.Dense(1, name="income")(
                dense(16, settings, name="before_income")(hidden)
            ),
            "work": layers.Dense(4, settings.output_activation, name="work")(
                dense(16, settings, name="before_work")(hidden)
            ),
        }
        model = freeze(keras.Model(inputs, outputs), settings)
        model.compile(
            adam(settings),
            {key: loss_of(name, settings) for key, name in settings.loss.items()},
            loss_weights=settings.extra["loss_weights"],
            metrics={"income": ["mae"], "work": ["accuracy"]},
        )
        return model

    def score(self, model, part):
        """Return the mean of the scores of the two targets."""
        found = model.predict(part.x["answers"], verbose=0)
        right = (found["work"].argmax(-1) == part.y["work"][:, 0]).mean()
        income = explained(part.y["income"], found["income"])
        return (income + beyond_chance(right, 4)) / 2


class SharpnessAware(keras.Model):
    """A model whose step, for JAX, takes the gradient at the worst weights nearby."""

    radius = 0.05

    def loss_and_updates(
        self, trainable, others, metrics, x, y, sample_weight, training=False
    ):
        """Return the loss, and the output and the state after it."""
        output, others = self.stateless_call(trainable, others, x, training=training)
        loss, (_, others, metrics) = self.stateless_compute_loss(
            trainable,
            others,
            metrics,
            x=x,
            y=y,
            y_pred=output,
            sample_weight=sample_weight,
            training=training,
        )
        return loss, (output, others, metrics)

    def train_step(self, state, data):
        import jax

        trainable, others, of_optimizer, metrics = state
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        gradient = jax.value_and_grad(self.loss_and_updates, has_aux=True)
        rest = others, metrics, x, y, weight, True
        _, slopes = gradient(trainable, *rest)
        norm = ops.sqrt(sum(ops.sum(ops.square(slope)) for slope in slopes) + 1e-12)
        worst = [
            weights + self.radius * slope / norm
            for weights, slope in zip(trainable, slopes, strict=True)
        ]
        (loss, aux), slopes = gradient(worst, *rest)
        output, others, metrics = aux
        trainable, of_optimizer = self.optimizer.stateless_apply(
            of_optimizer, slopes, trainable
        )
        logs, found, start = {}, [], 0
        for metric in self.metrics:
            values = metrics[start : start + len(metric.variables)]
            start += len(metric.variables)
            if metric.name == "loss":
                values = metric.stateless_update_state(values, loss)
            else:
                values = metric.stateless_update_state(values, y, output, weight)
            result = metric.stateless_result(values)
            logs.update(result if isinstance(result, dict) else {metric.name: result})
            found += values
        return logs, (trainable, others, of_optimizer, found)


class StarKinds(Program):
    """Few stars of five kinds, and a training step of its own."""

    kind = "own training step"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.55
    backends = ("jax",)
    inputs = {"star": "numbers"}
    targets = {"kind": "one hot"}
    settings = Settings(
        rate=5e-3,
        epochs=10,
        batch_size=32,
        loss="categorical_crossentropy",
        activation="swish",
        output_activation="softmax",
        kernel_initializer="glorot_normal",
        frozen=(),
        extra={"radius": 0.05},
    )

    def data(self, seed):
        """Return stars whose kinds lie in curved, touching regions."""
        random = np.random.default_rng(seed)
        star = random.normal(size=(2200, 9))
        hidden = np.tanh(star @ random.normal(size=(9, 6)))
        force = hidden @ random.normal(size=(6, 5))
        force = (force - force.mean(0)) / force.std(0)
        kind = (force + 0.2 * random.normal(size=force.shape)).argmax(-1)
        every = Part(
            {"star": star.astype("float32")}, {"kind": np.eye(5, dtype="float32")[kind]}
        )
        return split(every, 1400, 200)

    def build(self, settings):
        """Return a network that trains by the sharpness-aware step."""
        inputs = keras.Input((9,), name="star")
        hidden = dense(64, settings, name="first")(inputs)
        hidden = dense(32, settings, name="second")(hidden)
        kind = layers.Dense(5, settings.output_activation, name="kind")(hidden)
        model = freeze(SharpnessAware(inputs, kind), settings)
        model.radius = settings.extra["radius"]
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["star"], verbose=0).argmax(-1)
        return beyond_chance((guess == part.y["kind"].argmax(-1)).mean(), 5)
