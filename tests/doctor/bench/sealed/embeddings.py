"""Embeddings: pairs of walks, triplets of digits, and queries beside products."""

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import load_digits

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split


class Distance(layers.Layer):
    """Return the distance of two vectors, with a gradient where they are equal."""

    def call(self, left, right):
        squares = ops.sum(ops.square(left - right), axis=-1, keepdims=True)
        return ops.sqrt(squares + 1e-6)


def contrastive(margin):
    """Return the loss of pairs: near if they are the same, else apart by a margin."""

    def loss(same, distance):
        same = ops.cast(same, distance.dtype)
        apart = ops.square(ops.maximum(margin - distance, 0.0))
        return ops.mean(same * ops.square(distance) + (1 - same) * apart, axis=-1)

    return loss


class SameWalker(Program):
    """Are two recordings of the same walker? A siamese network of convolutions."""

    kind = "siamese"
    metric = "area under the ROC curve of the distance, from 0 (chance) to 1"
    good = 0.6
    inputs = {"left": "series", "right": "series"}
    targets = {"same": "binary"}
    settings = Settings(
        rate=3e-3,
        epochs=10,
        batch_size=32,
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        penalty=1e-5,
        noise=0.05,
        scale=0.1,
        axis=-1,
        extra={"margin": 1.0},
    )

    def data(self, seed):
        """Return pairs of two channels of acceleration by thirty walkers."""
        random = np.random.default_rng(seed)
        pairs, walkers, time = 2200, 30, np.arange(40) / 40
        pace = random.uniform(2, 5, walkers)
        height = random.normal(0, 4, (walkers, 2, 3))
        phase = random.uniform(0, 2 * np.pi, (walkers, 2, 3))

        def record(who):
            turns = (pace[who] + 0.1 * random.normal(size=pairs))[:, None] * time
            turns = turns + random.uniform(0, 1, (pairs, 1))
            turns = turns[..., None, None] * np.arange(1, 4)
            waves = np.cos(2 * np.pi * turns + phase[who][:, None])
            walk = (waves * height[who][:, None]).sum(-1)
            walk = walk * random.uniform(0.8, 1.2, (pairs, 1, 1))
            return (walk + 3 * random.normal(size=walk.shape)).astype("float32")

        left, other = random.integers(0, walkers, (2, pairs))
        right = np.where(random.random(pairs) < 0.5, left, other)
        same = (left == right).astype("float32")[:, None]
        part = Part({"left": record(left), "right": record(right)}, {"same": same})
        return split(part, 1500, 250)

    def build(self, settings):
        """Return an encoder for both sides, and the distance of what it returns."""
        encoder = keras.Sequential(
            [
                keras.Input((40, 2)),
                layers.GaussianNoise(settings.noise),
                layers.Conv1D(16, 7, 2, **hidden(settings)),
                layers.Conv1D(32, 5, 2, **hidden(settings)),
                layers.GlobalAveragePooling1D(),
                layers.Dense(16, settings.output_activation),
                layers.UnitNormalization(axis=settings.axis),
            ],
            name="encoder",
        )
        sides = {name: keras.Input((40, 2), name=name) for name in ("left", "right")}
        distance = Distance(name="distance")(*map(encoder, sides.values()))
        model = keras.Model(sides, distance)
        model.compile(
            keras.optimizers.Adam(settings.rate),
            loss=contrastive(settings.extra["margin"]),
        )
        return model

    def score(self, model, part):
        """Return the area under the ROC curve of the distance, from 0 to 1."""
        distance = model.predict(part.x, verbose=0)[:, 0]
        same = part.y["same"][:, 0] > 0.5
        ahead = distance[~same][:, None] - distance[same][None]
        return float(np.sign(ahead).mean())


def hardest(margin):
    """Return the triplet loss of the farthest and nearest other rows of a batch."""

    def loss(labels, vectors):
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        squares = ops.sum(ops.square(vectors[:, None] - vectors[None]), axis=-1)
        distances = ops.sqrt(squares + 1e-6)
        same = ops.cast(labels[:, None] == labels[None], distances.dtype)
        far = ops.max(same * distances, axis=1)
        near = ops.min(distances + 10.0 * same, axis=1)
        return ops.maximum(far - near + margin, 0.0)

    return loss


class DigitRetrieval(Program):
    """Vectors of digits whose nearest is the same digit, by the hardest triplets."""

    kind = "triplet"
    metric = "share of the same digit among the nearest, from 0 (chance) to 1"
    good = 0.6
    inputs = {"digit": "picture"}
    targets = {"class": "class"}
    settings = Settings(
        rate=2e-3,
        epochs=12,
        batch_size=64,
        activation="relu",
        output_activation="linear",
        kernel_initializer="he_normal",
        dropout=0.1,
        scale=1 / 16,
        clipnorm=1.0,
        extra={"margin": 0.3},
    )

    def data(self, seed):
        """Return half of the digits, with noise of a scanner, and no validation."""
        random = np.random.default_rng(seed)
        x, y = load_digits(return_X_y=True)
        order = random.permutation(len(y))
        x = x[order] + 2 * random.normal(size=x.shape)
        digit = x.astype("float32").reshape(-1, 8, 8, 1)
        return split(Part({"digit": digit}, {"class": y[order]}), 1200, 0)

    def build(self, settings):
        """Return a network to vectors of length one."""
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1), name="digit"),
                layers.Conv2D(16, 3, padding="same", **hidden(settings)),
                layers.MaxPooling2D(),
                layers.Conv2D(32, 3, padding="same", **hidden(settings)),
                layers.Flatten(),
                layers.Dropout(settings.dropout),
                layers.Dense(16, settings.output_activation),
                layers.UnitNormalization(),
            ]
        )
        model.compile(
            keras.optimizers.Adam(settings.rate, clipnorm=settings.clipnorm),
            loss=hardest(settings.extra["margin"]),
        )
        return model

    def score(self, model, part):
        """Return the R-precision, from 0 (chance) to 1."""
        vectors, labels = model.predict(part.x["digit"], verbose=0), part.y["class"]
        near = vectors @ vectors.T
        np.fill_diagonal(near, -np.inf)
        order, hits = np.argsort(-near, axis=1), []
        for row, label in enumerate(labels):
            count = (labels == label).sum() - 1
            hits.append(np.mean(labels[order[row, :count]] == label))
        return float((np.mean(hits) - 0.1) / 0.9)


class TwoTowers(keras.Model):
    """A functional model of two vectors, trained to find each one's partner."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        query = ops.cast(y_pred["query"], "float32")
        product = ops.cast(y_pred["product"], "float32")
        scores = ops.matmul(query, ops.transpose(product)) / self.temperature
        partner = ops.arange(ops.shape(scores)[0])
        loss = keras.losses.sparse_categorical_crossentropy(
            partner, scores, from_logits=True
        )
        return ops.mean(loss) + sum(self.losses)


class QueryProducts(Program):
    """Which product does a query mean? Two towers, fed by a generator."""

    kind = "two-tower retrieval"
    metric = "share of products among the best 5 of 200, from 0 (chance) to 1"
    good = 0.45
    inputs = {"query": "ids", "product": "numbers"}
    padding = 0
    settings = Settings(
        rate=5e-3,
        epochs=10,
        batch_size=64,
        activation="relu",
        output_activation="linear",
        kernel_initializer="glorot_uniform",
        penalty=1e-6,
        mask=True,
        vocabulary=41,
        extra={"temperature": 0.1},
    )

    def data(self, seed):
        """Return products, and words that were written to find them."""
        random = np.random.default_rng(seed)
        rows, words = 2400, 40
        product = random.normal(size=(rows, 10)).astype("float32")
        meaning = random.normal(size=(10, words))
        # Words are the likelier, the better they fit; one word of twelve is a slip.
        taste = product @ meaning + random.gumbel(size=(rows, words))
        best = np.argsort(-taste, axis=1)[:, :8] + 1
        slips = random.random(best.shape) < 1 / 12
        best = np.where(slips, random.integers(1, words + 1, best.shape), best)
        lengths = random.integers(4, 9, rows)
        query = np.where(np.arange(8) < lengths[:, None], best, 0).astype("int32")
        return split(Part({"query": query, "product": product}, {}), 1800, 200)

    def build(self, settings):
        """Return a tower for queries, of word embeddings, and one for products."""
        query = keras.Input((8,), dtype="int32", name="query")
        product = keras.Input((10,), name="product")
        flow = layers.Embedding(settings.vocabulary, 32, mask_zero=settings.mask)(query)
        words = layers.GlobalAveragePooling1D()(flow)
        numbers = layers.Dense(32, **hidden(settings))(product)
        towers = {}
        for name, below in (("query", words), ("product", numbers)):
            flow = layers.Dense(32, **hidden(settings))(below)
            flow = layers.Dense(16, settings.output_activation)(flow)
            towers[name] = layers.UnitNormalization()(flow)
        model = TwoTowers({"query": query, "product": product}, towers)
        model.temperature = settings.extra["temperature"]
        model.compile(keras.optimizers.Adam(settings.rate))
        return model

    def train(self, model, data, settings, callbacks):
        """Train on batches of a generator."""
        size, random = settings.batch_size, np.random.default_rng(11)
        steps = len(data.train) // size

        def batches():
            order = np.arange(len(data.train))
            while True:
                if settings.shuffle:
                    random.shuffle(order)
                for step in range(steps):
                    rows = order[step * size : (step + 1) * size]
                    yield (data.train.rows(rows).x,)

        return model.fit(
            batches(),
            steps_per_epoch=steps,
            epochs=settings.epochs,
            validation_data=self.validation(data),
            validation_batch_size=size,
            callbacks=callbacks,
            verbose=0,
        )

    def score(self, model, part):
        """Return the share of products that are among the best 5 of 200."""
        found = model.predict(part.x, verbose=0)
        hits = []
        for start in 0, 200:
            rows = slice(start, start + 200)
            scores = found["query"][rows] @ found["product"][rows].T
            # Equal scores count against the model.
            own = np.diag(scores)[:, None]
            hits.append((scores >= own).sum(1) <= 5)
        return float((np.mean(hits) - 0.025) / 0.975)
