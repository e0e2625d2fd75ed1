"""Texts as ids: sentiment, tags, translation, and a small language model."""

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

PLAYS = pathlib.Path(__file__).parents[4] / "recipes/data/shakespeare10.npz"


class ReviewSentiment(Program):
    """Padded reviews; a negation turns the word after it. Is the review positive?"""

    kind = "text classification with masks"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.45
    inputs = {"words": "ids"}
    targets = {"positive": "binary"}
    padding = 0
    settings = Settings(
        rate=1e-2,
        epochs=5,
        batch_size=64,
        loss="binary_crossentropy",
        activation="tanh",
        output_activation="sigmoid",
        dropout=0.1,
        mask=True,
        vocabulary=200,
        clipnorm=1.0,
        frozen=(),
    )

    def data(self, seed):
        """Return reviews of 5 to 20 words, and one in twenty with a wrong label."""
        random = np.random.default_rng(seed)
        rows, steps = 3200, 20
        feeling = np.zeros(200)
        feeling[4:30], feeling[30:56] = 1, -1
        length = random.integers(5, steps + 1, rows)
        words = np.where(
            random.random((rows, steps)) < 0.3,
            random.integers(4, 56, (rows, steps)),
            random.integers(56, 200, (rows, steps)),
        )
        tone = random.choice([0.12, -0.12], (rows, 1))
        more = random.random((rows, steps)) < abs(tone)
        pick = random.integers(4, 30, (rows, steps)) + 26 * (tone < 0)
        words = np.where(more, pick, words)
        negated = random.random((rows, steps - 1)) < 0.1
        words[:, :-1] = np.where(
            negated, random.integers(1, 4, negated.shape), words[:, :-1]
        )
        words[np.arange(steps) >= length[:, None]] = 0
        turn = np.where((words[:, :-1] > 0) & (words[:, :-1] < 4), -1, 1)
        total = feeling[words[:, 0]] + (feeling[words[:, 1:]] * turn).sum(1)
        positive = total + 0.5 * random.normal(size=rows) > 0
        positive ^= random.random(rows) < 0.04
        every = Part(
            {"words": words.astype("int32")},
            {"positive": positive[:, None].astype("float32")},
        )
        return split(every, 2200, 300)

    def build(self, settings):
        """Return an embedding, a GRU and a hidden layer."""
        model = keras.Sequential(
            [
                keras.Input((20,), dtype="int32"),
                layers.Embedding(settings.vocabulary, 16, mask_zero=settings.mask),
                layers.GRU(20, settings.activation, name="gru"),
                layers.Dropout(settings.dropout),
                layers.Dense(1, settings.output_activation, name="positive"),
            ]
        )
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy beyond chance."""
        guess = model.predict(part.x["words"], verbose=0) > 0.5
        return beyond_chance((guess == (part.y["positive"] > 0.5)).mean(), 2)


class NameTagger(Program):
    """A tag for each word, which follows from the word and its neighbors."""

    kind = "tagger with masks"
    metric = "accuracy of the words, from 0 (always the most common tag) to 1"
    good = 0.65
    inputs = {"words": "ids"}
    targets = {"tags": "tags"}
    padding = 0
    settings = Settings(
        rate=7e-3,
        epochs=4,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="tanh",
        output_activation="softmax",
        dropout=0.1,
        mask=True,
        vocabulary=250,
        frozen=(),
    )

    def data(self, seed):
        """Return sentences whose names are persons or places by the word beside."""
        random = np.random.default_rng(seed)
        rows, steps = 1800, 16
        words = random.integers(100, 250, (rows, steps))
        names = random.random((rows, steps)) < 0.35
        words[names] = random.integers(20, 100, names.sum())
        hints = random.random((rows, steps)) < 0.3
        words[hints] = random.integers(1, 20, hints.sum())
        before = np.pad(words, ((0, 0), (1, 0)))[:, :-1]
        after = np.pad(words, ((0, 0), (0, 1)))[:, 1:]
        name = (words >= 20) & (words < 100)
        person = ((before > 0) & (before < 8)) | ((after >= 14) & (after < 20))
        place = (before >= 8) & (before < 14)
        tags = np.where(name, np.where(place, 3, np.where(person, 2, 1)), 0)
        wrong = random.random((rows, steps)) < 0.03
        tags = np.where(wrong, random.integers(0, 4, (rows, steps)), tags)
        length = random.integers(6, steps + 1, rows)
        padded = np.arange(steps) >= length[:, None]
        words[padded], tags[padded] = 0, 0
        every = Part({"words": words.astype("int32")}, {"tags": tags.astype("int32")})
        return split(every, 1200, 200)

    def build(self, settings):
        """Return an embedding, a bidirectional GRU and a layer for each step."""
        words = keras.Input((16,), dtype="int32", name="words")
        x = layers.Embedding(settings.vocabulary, 24, mask_zero=settings.mask)(words)
        x = layers.Dropout(settings.dropout)(x)
        gru = layers.GRU(24, settings.activation, return_sequences=True)
        x = layers.Bidirectional(gru, name="both_ways")(x)
        tags = layers.Dense(4, settings.output_activation, name="tags")(x)
        model = freeze(keras.Model(words, tags), settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, weighted_metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the accuracy of the words beyond that of the most common tag."""
        there = part.x["words"] > 0
        guess = model.predict(part.x["words"], verbose=0).argmax(-1)[there]
        tags = part.y["tags"][there]
        common = np.bincount(tags).max() / len(tags)
        return max(-1.0, float(((guess == tags).mean() - common) / (1 - common)))


class SpokenNumbers(Program):
    """Numbers in words, some misheard, are written as digits by a decoder."""

    kind = "sequence to sequence"
    metric = "share of numbers that are written right by greedy decoding"
    good = 0.6
    inputs = {"spoken": "ids", "before": "ids"}
    targets = {"digits": "tags"}
    padding = 0
    settings = Settings(
        rate=5e-3,
        epochs=6,
        batch_size=64,
        loss="sparse_categorical_crossentropy",
        activation="tanh",
        output_activation="linear",
        from_logits=True,
        mask=True,
        vocabulary=32,
        clipnorm=1.0,
        frozen=(),
    )

    def data(self, seed):
        """Return numbers up to 999: ids of words, digits, and the digit before each.

        Words are 1 to 20 for zero to nineteen, 21 to 28 for tens, then hundred and
        "and". Digits are 2 to 11, with 1 as the start and the end.
        """
        random = np.random.default_rng(seed)

        def words(number):
            found, rest = [], number % 100
            if number >= 100:
                found += [number // 100 + 1, 29]
                found += [30] if rest and random.random() < 0.7 else []
            if rest >= 20:
                found.append(rest // 10 + 19)
                rest %= 10
            return found + ([rest + 1] if rest or not number else [])

        order = random.permutation(1000)
        numbers = np.concatenate([random.choice(order[:800], 2600), order[800:]])
        spoken, digits = np.zeros((2800, 5), "int32"), np.zeros((2800, 4), "int32")
        for row, number in enumerate(numbers):
            heard = [
                word if random.random() > 0.01 else random.integers(1, 29)
                for word in words(number)
            ]
            spoken[row, : len(heard)] = heard
            written = [int(digit) + 2 for digit in str(number)] + [1]
            digits[row, : len(written)] = written
        before = np.where(digits > 0, np.roll(digits, 1, axis=1), 0)
        before[:, 0] = 1
        every = Part({"spoken": spoken, "before": before}, {"digits": digits})
        return split(every, 2400, 200)

    def build(self, settings):
        """Return an encoder and a decoder that attends to it."""
        spoken = keras.Input((5,), dtype="int32", name="spoken")
        before = keras.Input((4,), dtype="int32", name="before")
        options = {"return_sequences": True, "activation": settings.activation}
        x = layers.Embedding(settings.vocabulary, 24, mask_zero=settings.mask)(spoken)
        memory, state = layers.GRU(64, return_state=True, name="encoder", **options)(x)
        x = layers.Embedding(12, 16, mask_zero=settings.mask)(before)
        x = layers.GRU(64, name="decoder", **options)(x, initial_state=state)
        x = layers.Concatenate()([x, layers.Attention(name="attend")([x, memory])])
        digits = layers.Dense(12, settings.output_activation, name="digits")(x)
        inputs = {"spoken": spoken, "before": before}
        model = freeze(keras.Model(inputs, digits), settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, weighted_metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the share of numbers that are decoded without any error."""
        digits = part.y["digits"]
        before = np.ones_like(digits)
        for step in range(4):
            x = {"spoken": part.x["spoken"], "before": before}
            guess = model.predict(x, verbose=0)[:, step].argmax(-1)
            if step < 3:
                before[:, step + 1] = guess
        found = np.concatenate([before[:, 1:], guess[:, None]], 1)
        return float(((found == digits) | (digits == 0)).all(1).mean())


class Positions(layers.Layer):
    """Embeds ids and adds an embedding of the position.

    Args:
        vocabulary: Number of ids.
        steps: Number of positions.
        width: Size of the embeddings.
    """

    def __init__(self, vocabulary, steps, width, **options):
        super().__init__(**options)
        self.ids = layers.Embedding(vocabulary, width)
        self.places = layers.Embedding(steps, width)
        self.steps = steps

    def build(self, shape):
        self.ids.build(shape)
        self.places.build((self.steps,))
        self.built = True

    def call(self, ids):
        return self.ids(ids) + self.places(ops.arange(self.steps))


class PlayWriter(Program):
    """A small transformer that writes plays, one letter after the other."""

    kind = "causal transformer"
    metric = "share of the entropy of single letters that is explained"
    good = 0.15
    inputs = {"letters": "ids"}
    targets = {"next": "tags"}
    settings = Settings(
        rate=6e-3,
        epochs=4,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="gelu",
        output_activation="linear",
        from_logits=True,
        kernel_initializer="glorot_uniform",
        dropout=0.05,
        vocabulary=32,
        clipnorm=1.0,
        frozen=(),
    )

    def data(self, seed):
        """Return windows of real plays, as 28 kinds of letter."""
        with np.load(PLAYS) as file:
            text = file["text"]
        kinds = np.full(256, 27)
        for letter in range(26):
            kinds[[97 + letter, 65 + letter]] = letter
        kinds[[32, 10]] = 26
        random = np.random.default_rng(seed)
        steps = 24
        start = random.permutation(len(text) // (steps + 1))[:2200] * (steps + 1)
        letters = kinds[text[start[:, None] + np.arange(steps + 1)]].astype("int32")
        every = Part({"letters": letters[:, :-1]}, {"next": letters[:, 1:]})
        return split(every, 1600, 200)

    def build(self, settings):
        """Return two blocks of causal attention."""
        letters = keras.Input((24,), dtype="int32", name="letters")
        x = Positions(settings.vocabulary, 24, 32, name="positions")(letters)
        for block in range(2):
            attention = layers.MultiHeadAttention(
                4, 8, dropout=settings.dropout, name=f"attention_{block}"
            )
            normed = layers.LayerNormalization()(x)
            x = x + attention(normed, normed, use_causal_mask=True)
            hidden = dense(64, settings, name=f"wide_{block}")
            normed = layers.Dense(32)(hidden(layers.LayerNormalization()(x)))
            x = x + layers.Dropout(settings.dropout)(normed)
        x = layers.LayerNormalization()(x)
        output = layers.Dense(28, settings.output_activation, name="next")(x)
        model = freeze(keras.Model(letters, output), settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the share of the entropy of single letters that is explained."""
        logits = model.predict(part.x["letters"], verbose=0).astype("float64")
        letters = part.y["next"]
        logits = logits - logits.max(-1, keepdims=True)
        log = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        found = -np.take_along_axis(log, letters[..., None], -1).mean()
        share = np.bincount(letters.ravel(), minlength=28) / letters.size
        share = share[share > 0]
        return max(-1.0, 1 + float(found / (share * np.log(share)).sum()))
