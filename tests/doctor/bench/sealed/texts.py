"""Sequences of ids and of steps: passages, tags, numerals, and melodies."""

import functools
import pathlib
import re

import keras
import numpy as np
from keras import layers

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split

FOLDER = pathlib.Path(__file__).resolve().parents[4] / "recipes" / "data"


def classes(settings):
    """Return the loss, told what the output is if it is about classes."""
    if settings.loss == "sparse_categorical_crossentropy":
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=settings.from_logits
        )
    return settings.loss


@functools.cache
def passages():
    """Return passages of three plays as lists of words without names in capitals."""
    with np.load(FOLDER / "shakespeare10.npz") as arrays:
        text, starts = arrays["text"].tobytes().decode("ascii"), arrays["play"]
    found, plays = [], []
    for play, which in enumerate((4, 5, 6)):
        words = re.findall(r"[A-Za-z']+", text[starts[which] : starts[which + 1]])
        words = [word.lower() for word in words if not word.isupper() or word == "I"]
        # Lengths between 12 and 32 words, the same ones in each run.
        start, lengths = 0, np.random.default_rng(play).integers(12, 33, 2000)
        for length in lengths:
            if start + length > len(words):
                break
            found.append(words[start : start + length])
            plays.append(play)
            start += length
    return found, np.array(plays)


class PlayOfPassage(Program):
    """Which of three plays is a passage from? Words are averaged, padding is not."""

    kind = "text classification with masks"
    metric = "accuracy, from 0 (always the commonest play) to 1"
    good = 0.4
    inputs = {"words": "ids"}
    targets = {"play": "class"}
    padding = 0
    settings = Settings(
        rate=3e-3,
        epochs=6,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="softmax",
        from_logits=False,
        kernel_initializer="glorot_uniform",
        dropout=0.3,
        mask=True,
        vocabulary=3000,
    )

    def data(self, seed):
        """Return ids of words: 0 pads, and 1 is a word not among the commonest."""
        texts, plays = passages()
        order = np.random.default_rng(seed).permutation(len(texts))
        train = [word for row in order[:1700] for word in texts[row]]
        common, counts = np.unique(train, return_counts=True)
        common = common[np.argsort(-counts, kind="stable")][:2998]
        index = {word: which + 2 for which, word in enumerate(common)}
        words = np.zeros((len(texts), 32), "int32")
        for row, text in enumerate(texts[row] for row in order):
            words[row, : len(text)] = [index.get(word, 1) for word in text]
        return split(Part({"words": words}, {"play": plays[order]}), 1700, 300)

    def build(self, settings):
        """Return an average of the embeddings that are not padding, and a head."""
        model = keras.Sequential(
            [
                keras.Input((32,), dtype="int32", name="words"),
                layers.Embedding(settings.vocabulary, 32, mask_zero=settings.mask),
                layers.GlobalAveragePooling1D(),
                layers.Dense(32, **hidden(settings)),
                layers.Dropout(settings.dropout),
                layers.Dense(3, settings.output_activation, name="play"),
            ]
        )
        model.compile(
            keras.optimizers.Adam(settings.rate),
            classes(settings),
            metrics=["accuracy"],
        )
        return model

    def score(self, model, part):
        """Return the accuracy, from 0 (always the commonest play) to 1."""
        found = model.predict(part.x["words"], verbose=0).argmax(-1)
        chance = np.bincount(part.y["play"]).max() / len(found)
        return float((np.mean(found == part.y["play"]) - chance) / (1 - chance))


class GaitPhase(Program):
    """Which phase of a step is a walker in, at each moment of padded recordings?"""

    kind = "tagger"
    metric = "accuracy of real moments, from 0 (chance) to 1"
    good = 0.6
    inputs = {"motion": "series"}
    targets = {"phase": "tags"}
    padding = 0
    settings = Settings(
        rate=1e-2,
        epochs=5,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="tanh",
        output_activation="softmax",
        from_logits=False,
        kernel_initializer="glorot_uniform",
        dropout=0.1,
        scale=0.1,
        mask=True,
        clipnorm=1.0,
    )

    def data(self, seed):
        """Return accelerations in meters per second squared, and phases in turn."""
        random = np.random.default_rng(seed)
        rows, steps = 900, 30
        means = np.array([[8, 1, 0], [2, -5, 2], [-3, 4, 3], [2, 3, -5]])
        motion = np.zeros((rows, steps, 3), "float32")
        phase = np.zeros((rows, steps), int)
        for row, length in enumerate(random.integers(14, steps + 1, rows)):
            lasts = random.integers(2, 6, steps) + (np.arange(steps) % 4 == 1)
            tags = np.repeat((random.integers(4) + np.arange(steps)) % 4, lasts)[
                :length
            ]
            wave = means[tags] * random.uniform(0.6, 1.4) + 2 * random.normal(size=3)
            motion[row, :length] = wave + 4.5 * random.normal(size=(length, 3))
            phase[row, :length] = tags
        return split(Part({"motion": motion}, {"phase": phase}), 600, 100)

    def build(self, settings):
        """Return a recurrent network of both directions."""
        motion = keras.Input((30, 3), name="motion")
        flow = layers.Masking(0.0)(motion) if settings.mask else motion
        recurrent = layers.GRU(16, return_sequences=True, **hidden(settings))
        flow = layers.Bidirectional(recurrent)(flow)
        flow = layers.Dropout(settings.dropout)(flow)
        flow = layers.Dense(4, settings.output_activation, name="phase")(flow)
        model = keras.Model(motion, flow)
        model.compile(
            keras.optimizers.Adam(settings.rate, clipnorm=settings.clipnorm),
            classes(settings),
            metrics=["accuracy"],
        )
        return model

    def score(self, model, part):
        """Return the accuracy of the moments that are not padding."""
        found = model.predict(part.x["motion"], verbose=0).argmax(-1)
        real = (part.x["motion"] != 0).any(-1)
        true = part.y["phase"][real]
        return float((np.mean(found[real] == true) - 0.25) / 0.75)


SIGNS = {
    1000: "M", 900: "CM", 500: "D", 400: "CD", 100: "C", 90: "XC", 50: "L", 40: "XL",
    10: "X", 9: "IX", 5: "V", 4: "IV", 1: "I",
}  # fmt: skip


def roman(number, additive):
    """Return a numeral, written in the old additive way or not."""
    text = ""
    for value, sign in SIGNS.items():
        if additive and len(sign) == 2:
            continue
        text, number = text + sign * (number // value), number % value
    return text


class RomanNumerals(Program):
    """Roman numerals to decimal digits, by an encoder and a decoder with attention."""

    kind = "seq2seq"
    metric = "share of right digits when the model feeds itself, from 0 (chance) to 1"
    good = 0.6
    inputs = {"numeral": "ids", "before": "ids"}
    targets = {"digits": "tags"}
    padding = 0
    settings = Settings(
        rate=1e-2,
        epochs=6,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="tanh",
        output_activation="linear",
        from_logits=True,
        kernel_initializer="glorot_uniform",
        mask=True,
        vocabulary=8,
        clipnorm=1.0,
    )

    def data(self, seed):
        """Return numerals with some slips of the pen, and digits between 1 and 2."""
        random = np.random.default_rng(seed)
        rows = 2200
        numeral = np.zeros((rows, 16), "int32")
        digits = np.zeros((rows, 5), "int32")
        for row, number in enumerate(random.permutation(3999)[:rows] + 1):
            text = [*roman(int(number), random.random() < 0.25)]
            if random.random() < 0.03:
                text[random.integers(len(text))] = "IVXLCDM"[random.integers(7)]
            text = text[:16]
            numeral[row, : len(text)] = ["IVXLCDM".index(sign) + 1 for sign in text]
            # Ids: 0 pads, 1 starts, 2 ends, and 3 is the digit 0.
            ids = [int(digit) + 3 for digit in str(number)] + [2]
            digits[row, : len(ids)] = ids
        before = np.pad(digits[:, :-1], ((0, 0), (1, 0)), constant_values=1)
        before[before == 2] = 0
        part = Part({"numeral": numeral, "before": before}, {"digits": digits})
        return split(part, 1700, 200)

    def build(self, settings):
        """Return a recurrent encoder, and a decoder that attends to its states."""
        numeral = keras.Input((16,), dtype="int32", name="numeral")
        before = keras.Input((5,), dtype="int32", name="before")
        mask = settings.mask
        flow = layers.Embedding(settings.vocabulary, 12, mask_zero=mask)(numeral)
        recurrent = functools.partial(layers.GRU, return_sequences=True)
        states = layers.Bidirectional(recurrent(24, **hidden(settings)))(flow)
        flow = layers.Embedding(13, 12, mask_zero=mask)(before)
        flow = recurrent(48, **hidden(settings))(flow)
        context = layers.Attention()([flow, states])
        flow = layers.Concatenate()([flow, context])
        options = hidden(settings) | {"activation": "relu"}
        flow = layers.Dense(64, **options)(flow)
        flow = layers.Dense(13, settings.output_activation, name="digits")(flow)
        model = keras.Model({"numeral": numeral, "before": before}, flow)
        model.compile(
            keras.optimizers.Adam(settings.rate, clipnorm=settings.clipnorm),
            classes(settings),
            metrics=["accuracy"],
        )
        return model

    def score(self, model, part):
        """Return the share of right digits, from 0 (always the commonest) to 1."""
        numeral, true = part.x["numeral"], part.y["digits"]
        before = np.zeros_like(part.x["before"])
        before[:, 0] = 1
        for step in range(5):
            x = {"numeral": numeral, "before": before}
            found = model.predict(x, verbose=0).argmax(-1)
            if step < 4:
                before[:, step + 1] = found[:, step]
        real = true > 0
        chance = np.mean([np.bincount(c[c > 0]).max() / (c > 0).sum() for c in true.T])
        return float((np.mean(found[real] == true[real]) - chance) / (1 - chance))


class Places(layers.Layer):
    """Add a learned vector for each place in the sequence."""

    def build(self, shape):
        self.places = self.add_weight(shape=shape[1:], initializer="uniform")

    def call(self, inputs):
        return inputs + self.places


class MelodyGpt(Program):
    """The next note of a melody, by a causal transformer."""

    kind = "small GPT"
    metric = "accuracy of the next note, from 0 (commonest) to 1 (best possible)"
    good = 0.6
    inputs = {"notes": "ids"}
    targets = {"next": "tags"}
    settings = Settings(
        rate=5e-3,
        epochs=7,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="gelu",
        output_activation="linear",
        from_logits=True,
        kernel_initializer="glorot_uniform",
        dropout=0.05,
        vocabulary=8,
        clipnorm=1.0,
        axis=-1,
        extra={"causal": True},
    )

    def data(self, seed):
        """Return notes that follow the last one and the one a bar of four before."""
        random = np.random.default_rng(seed)
        rows, notes = 1300, 8
        likely = random.permuted(np.tile(np.arange(notes), (notes, notes, 1)), axis=-1)
        melody = random.integers(0, notes, (rows, 28))
        for step in range(4, 28):
            # The best guess comes true three times of four.
            which = random.choice(4, rows, p=[0.75, 0.15, 0.06, 0.04])
            melody[:, step] = likely[melody[:, step - 1], melody[:, step - 4], which]
        melody = melody[:, 3:]
        part = Part({"notes": melody[:, :-1]}, {"next": melody[:, 1:]})
        return split(part, 1000, 100)

    def build(self, settings):
        """Return a block of causal attention that normalizes first."""
        causal, axis = settings.extra["causal"], settings.axis
        notes = keras.Input((24,), dtype="int32", name="notes")
        flow = Places()(layers.Embedding(settings.vocabulary, 32)(notes))
        ready = layers.LayerNormalization(axis=axis)(flow)
        attention = layers.MultiHeadAttention(4, 8)
        flow = flow + attention(ready, ready, use_causal_mask=causal)
        ready = layers.LayerNormalization(axis=axis)(flow)
        ready = layers.Dense(96, **hidden(settings))(ready)
        flow = flow + layers.Dropout(settings.dropout)(layers.Dense(32)(ready))
        flow = layers.LayerNormalization()(flow)
        flow = layers.Dense(8, settings.output_activation, name="next")(flow)
        model = keras.Model(notes, flow)
        model.compile(
            keras.optimizers.AdamW(
                settings.rate, weight_decay=1e-3, clipnorm=settings.clipnorm
            ),
            classes(settings),
            metrics=["accuracy"],
        )
        return model

    def score(self, model, part):
        """Return the accuracy, from 0 (the commonest note) to 1 (best possible)."""
        # A copy that ends at each of some notes: the model cannot look at later ones.
        right, true = [], part.y["next"]
        for step in 8, 15, 23:
            notes = part.x["notes"].copy()
            notes[:, step + 1 :] = 0
            found = model.predict(notes, verbose=0)[:, step].argmax(-1)
            right.append(np.mean(found == true[:, step]))
        chance = np.bincount(true.ravel()).max() / true.size
        return float((np.mean(right) - chance) / (0.75 - chance))
