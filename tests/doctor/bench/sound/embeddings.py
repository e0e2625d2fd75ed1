"""Embeddings that bring like to like: siamese, triplets, contrastive, two towers."""

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import above, adam, dense, freeze, split


def observer(random, size=32, code=6, nuisance=16):
    """Return a function from codes to noisy rows that mostly show something else."""
    mix = np.linalg.qr(random.normal(size=(size, size)))[0]

    def observe(codes):
        rows = len(codes)
        hidden = [codes, 1.5 * random.normal(size=(rows, nuisance))]
        hidden.append(0.3 * random.normal(size=(rows, size - code - nuisance)))
        found = np.tanh(0.7 * np.concatenate(hidden, 1) @ mix)
        return (2 * found + 0.1 * random.normal(size=found.shape)).astype("float32")

    return observe


def encoder(settings, size=32, width=16):
    """Return a network from rows to embeddings."""
    return keras.Sequential(
        [
            keras.Input((size,)),
            dense(64, settings, name="wide"),
            layers.Dropout(settings.dropout),
            layers.Dense(width, settings.output_activation, name="embedding"),
        ],
        name="encoder",
    )


class SignaturePairs(Program):
    """Two signatures; are they by the same hand? Siamese, with a contrastive loss."""

    kind = "siamese with a contrastive loss"
    metric = "area under the ROC curve of the distance, from 0 (chance) to 1"
    good = 0.8
    inputs = {"first": "numbers", "second": "numbers"}
    targets = {"same": "binary"}
    settings = Settings(
        rate=2e-3,
        epochs=10,
        batch_size=64,
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.05,
        penalty=1e-5,
        frozen=(),
        extra={"margin": 2.0},
    )

    def data(self, seed):
        """Return pairs of which about a half is of one hand."""
        random = np.random.default_rng(seed)
        observe, rows = observer(random), 3600
        code, other = 1.5 * random.normal(size=(2, rows, 6))
        same = random.random((rows, 1)) < 0.5
        x = {"first": observe(code), "second": observe(np.where(same, code, other))}
        return split(Part(x, {"same": same.astype("float32")}), 2600, 400)

    def build(self, settings):
        """Return the distance of the embeddings by one encoder."""
        margin = settings.extra["margin"]

        def contrastive(same, distance):
            far = ops.square(ops.maximum(margin - distance, 0))
            return ops.mean(same * ops.square(distance) + (1 - same) * far, axis=-1)

        embed = encoder(settings)
        inputs = {name: keras.Input((32,), name=name) for name in ("first", "second")}
        apart = layers.Subtract()([embed(x) for x in inputs.values()])
        square = ops.sum(ops.square(apart), axis=-1, keepdims=True)
        model = keras.Model(inputs, ops.sqrt(square + 1e-4))
        freeze(model, settings)
        model.compile(adam(settings), contrastive)
        return model

    def score(self, model, part):
        """Return how well the distance tells pairs of one hand from others."""
        near = -model.predict(part.x, verbose=0)[:, 0]
        same = part.y["same"][:, 0] > 0.5
        return above(near[same], near[~same])


class TripletNet(keras.Model):
    """Embeds anchor, positive and negative, and adds the loss of the triplets.

    Args:
        settings: `Settings` of the program.
    """

    def __init__(self, settings):
        super().__init__()
        self.encoder = encoder(settings)
        self.margin = settings.extra["margin"]

    def call(self, x, training=False):
        anchor, positive, negative = (
            self.encoder(x[name], training=training)
            for name in ("anchor", "positive", "negative")
        )
        near = ops.sum(ops.square(anchor - positive), axis=-1)
        far = ops.sum(ops.square(anchor - negative), axis=-1)
        self.add_loss(ops.mean(ops.maximum(near - far + self.margin, 0)))
        return far - near


class VoiceTriplets(Program):
    """Voices; two of one speaker shall be nearer than two of different speakers."""

    kind = "triplets, with add_loss"
    metric = "share of triplets in the right order, from 0 (chance) to 1"
    good = 0.8
    inputs = {"anchor": "numbers", "positive": "numbers", "negative": "numbers"}
    settings = Settings(
        rate=2e-3,
        epochs=8,
        batch_size=64,
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.05,
        clipnorm=5.0,
        frozen=(),
        extra={"margin": 1.0},
    )

    def data(self, seed):
        """Return triplets of voices."""
        random = np.random.default_rng(seed)
        observe, rows = observer(random), 3600
        code, other = 1.5 * random.normal(size=(2, rows, 6))
        names = {"anchor": code, "positive": code, "negative": other}
        x = {name: observe(codes) for name, codes in names.items()}
        return split(Part(x, {}), 2600, 400)

    def build(self, settings):
        """Return the subclassed network."""
        model = TripletNet(settings)
        freeze(model, settings)
        model.compile(adam(settings))
        return model

    def score(self, model, part):
        """Return the share of triplets in the right order beyond chance."""
        return 2 * float((model.predict(part.x, verbose=0) > 0).mean()) - 1


class ViewNet(keras.Model):
    """Embeds two views; each shall find its partner in the batch.

    Args:
        settings: `Settings` of the program.
    """

    def __init__(self, settings):
        super().__init__()
        self.noise = layers.GaussianNoise(settings.noise)
        self.encoder = encoder(settings)
        self.temperature = settings.extra["temperature"]

    def call(self, x, training=False):
        first, second = (
            ops.normalize(self.encoder(self.noise(view, training=training)))
            for view in (x["first"], x["second"])
        )
        return {"first": first, "second": second}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        first, second = (ops.cast(y_pred[k], "float32") for k in ("first", "second"))
        likeness = ops.matmul(first, ops.transpose(second)) / self.temperature
        right = ops.arange(ops.shape(likeness)[0])
        losses = [
            keras.losses.sparse_categorical_crossentropy(right, logits, True)
            for logits in (likeness, ops.transpose(likeness))
        ]
        return ops.mean(losses[0] + losses[1]) / 2


class PairedViews(Program):
    """Two views of an object without any label find each other by their embeddings."""

    kind = "contrastive, without labels"
    metric = "share of views that find their partner among 100, beyond chance"
    good = 0.7
    inputs = {"first": "numbers", "second": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=128,
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.0,
        noise=0.05,
        frozen=(),
        extra={"temperature": 0.1},
    )

    def data(self, seed):
        """Return pairs of views."""
        random = np.random.default_rng(seed)
        observe = observer(random)
        code = 2.0 * random.normal(size=(4000, 6))
        x = {"first": observe(code), "second": observe(code)}
        return split(Part(x, {}), 3000, 400)

    def build(self, settings):
        """Return the subclassed network."""
        model = ViewNet(settings)
        freeze(model, settings)
        model.compile(adam(settings))
        return model

    def score(self, model, part):
        """Return the share of right partners among 100 beyond chance."""
        found = model.predict(part.x, verbose=0)
        right = []
        for start in range(0, len(part) - 99, 100):
            first, second = (found[k][start : start + 100] for k in ("first", "second"))
            right.append((first @ second.T).argmax(-1) == np.arange(100))
        return float((np.mean(right) - 0.01) / 0.99)


class TwoTowers(keras.Model):
    """A tower for queries and one for films; the others of a batch are negatives.

    Args:
        settings: `Settings` of the program.
    """

    def __init__(self, settings):
        super().__init__()
        self.users = layers.Embedding(settings.vocabulary, 16, name="users")
        self.films = layers.Embedding(FilmRetrieval.films, 16, name="films")
        self.join = dense(32, settings, name="join")
        self.drop = layers.Dropout(settings.dropout)
        self.query = layers.Dense(16, settings.output_activation, name="query")
        self.temperature = settings.extra["temperature"]

    def call(self, x, training=False):
        user = ops.squeeze(self.users(x["user"]), 1)
        user = self.join(ops.concatenate([user, x["profile"]], axis=-1))
        query = self.query(self.drop(user, training=training))
        film = ops.squeeze(self.films(x["film"]), 1)
        return {"query": query, "film": film}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        query, film = (ops.cast(y_pred[key], "float32") for key in ("query", "film"))
        logits = ops.matmul(query, ops.transpose(film)) / self.temperature
        # A film that is in the batch twice is no negative of itself.
        same = ops.equal(x["film"], ops.transpose(x["film"]))
        right = ops.arange(ops.shape(logits)[0])
        other = ops.not_equal(right[:, None], right[None])
        logits = ops.where(ops.logical_and(same, other), -1e9, logits)
        losses = keras.losses.sparse_categorical_crossentropy(right, logits, True)
        return ops.mean(losses)


class FilmRetrieval(Program):
    """Which film does a user see next? Two towers with negatives from the batch."""

    kind = "two-tower retrieval"
    metric = "mean rank of the film that was seen, from 0 (chance) to 1 (first)"
    good = 0.65
    films = 150
    inputs = {"user": "ids", "profile": "numbers", "film": "ids"}
    settings = Settings(
        rate=1e-2,
        epochs=6,
        batch_size=64,
        activation="relu",
        output_activation="linear",
        kernel_initializer="glorot_uniform",
        dropout=0.1,
        vocabulary=200,
        frozen=(),
        extra={"temperature": 1.0},
    )

    def data(self, seed):
        """Return users with a profile, and films by their taste."""
        random = np.random.default_rng(seed)
        profile = random.normal(size=(200, 5))
        taste = profile @ random.normal(size=(5, 6)) / 2 + random.normal(size=(200, 6))
        odds = taste @ random.normal(size=(6, self.films))
        odds = odds + random.gumbel(size=(30, 200, self.films))
        film = odds.argmax(-1).ravel()
        user = np.tile(np.arange(200), 30)
        order = random.permutation(len(user))[:4600]
        x = {
            "user": user[order, None].astype("int32"),
            "profile": profile[user[order]].astype("float32"),
            "film": film[order, None].astype("int32"),
        }
        return split(Part(x, {}), 3600, 400)

    def build(self, settings):
        """Return the two towers."""
        model = TwoTowers(settings)
        freeze(model, settings)
        model.compile(adam(settings))
        return model

    def score(self, model, part):
        """Return the mean rank of the films that were seen."""
        query = model.predict(part.x, verbose=0)["query"]
        films = ops.convert_to_numpy(model.films.embeddings)
        odds = (query @ films.T).astype("float64")
        seen = np.take_along_axis(odds, part.x["film"], 1)
        better = (odds > seen).mean(1) + (odds == seen).mean(1) / 2
        return 1 - 2 * float(better.mean() if np.isfinite(odds).all() else 0.5)
