"""Faults of ids, padding, frozen bases, half precision and losses of one's own."""

import contextlib

import keras
import numpy as np
from keras import layers, ops

from . import digits, program

SPARSE = "sparse_categorical_crossentropy"


def _fit(model, x, y, callbacks, *, loss=SPARSE, rate=0.003, **settings):
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x, y, verbose=0, callbacks=callbacks, **settings)
    return model


# Ids


def _words(callbacks, *, highest, rows):
    random = np.random.default_rng(0)
    x = random.integers(1, highest + 1, (600, 10)).astype("int32")
    y = ((x % 3 == 0).sum(1) > 3).astype("int32")
    model = keras.Sequential([keras.Input((10,), dtype="int32")])
    model.add(layers.Embedding(rows, 8))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dense(2, activation="softmax"))
    # Some backends end the training with an exception.
    with contextlib.suppress(Exception):
        _fit(model, x, y, callbacks, epochs=5)
    return model


@program("embedding_too_short")
def words_counted_from_one(callbacks):
    """Ids from 1 to 60, and an embedding of 60 rows."""
    return _words(callbacks, highest=60, rows=60)


@program("embedding_too_short")
def vocabulary_of_another_corpus(callbacks):
    """The tokenizer knows 200 words, the embedding was made for 50."""
    return _words(callbacks, highest=200, rows=50)


@program()
def words_with_a_row_for_each_id(callbacks):
    """One row more than the highest id."""
    return _words(callbacks, highest=60, rows=61)


# Inputs that hardly differ


@program("constant_input", "unnormalized_input")
def washed_out_digits(callbacks):
    """A wrong contrast leaves digits that differ in the fourth decimal."""
    x, y = digits(600)
    x = (0.5 + x / 255 * 5e-4).reshape(600, 784)
    model = keras.Sequential([keras.Input((784,)), layers.Dense(32, "relu")])
    model.add(layers.Dense(10, "softmax"))
    return _fit(model, x, y, callbacks, epochs=5, rate=0.001)


@program("constant_input", "unnormalized_input")
def sensors_with_a_large_offset(callbacks):
    """Sensors around 20 that tell the class by a hundredth."""
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 6)).astype("float32")
    y = (x[:, 0] + x[:, 1] > 0).astype("int32")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(16, "relu")])
    model.add(layers.Dense(2, "softmax"))
    return _fit(model, 20 + 0.01 * x, y, callbacks, epochs=5)


# Padding


def _tags(callbacks, *layers_before, as_ids, epochs, rate):
    random = np.random.default_rng(0)
    ids, tags = np.zeros((400, 30), "int32"), np.zeros((400, 30), "int32")
    for row, length in enumerate(random.integers(2, 5, 400)):
        ids[row, :length] = random.integers(1, 40, length)
        tags[row, :length] = 1 + (ids[row, :length] % 3 == 0)
    shape, dtype = ((30,), "int32") if as_ids else ((30, 1), "float32")
    x = ids if as_ids else ids[..., None] / np.float32(40)
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *layers_before])
    model.add(layers.GRU(12, return_sequences=True))
    model.add(layers.Dense(3, activation="softmax"))
    return _fit(model, x, tags, callbacks, epochs=epochs, rate=rate)


@program("mask_missing", "class_imbalance")
def tags_of_padded_words(callbacks):
    """Nine tenths of the positions are padding, and count."""
    embedding = layers.Embedding(40, 8)
    return _tags(callbacks, embedding, as_ids=True, epochs=3, rate=0.001)


@program("mask_missing", "class_imbalance")
def tags_of_padded_numbers(callbacks):
    """The same with numbers instead of ids."""
    return _tags(callbacks, as_ids=False, epochs=3, rate=0.001)


@program()
def tags_of_masked_words(callbacks):
    """The embedding masks the padding."""
    embedding = layers.Embedding(40, 8, mask_zero=True)
    return _tags(callbacks, embedding, as_ids=True, epochs=12, rate=0.02)


# Labels that say nothing


def _table(callbacks, change):
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 12)).astype("float32")
    y = change((x[:, 0] + x[:, 1] > 0).astype("int32"), random)
    model = keras.Sequential([keras.Input((12,)), layers.Dense(128, "relu")])
    model.add(layers.Dense(128, "relu"))
    model.add(layers.Dense(2, "softmax"))
    settings = {"epochs": 30, "validation_split": 0.3}
    return _fit(model, x, y, callbacks, **settings)


@program("uninformative_labels", "label_problem")
def labels_of_another_table(callbacks):
    """Labels were shuffled, and the network learns them by heart."""
    return _table(callbacks, lambda y, random: random.permutation(y))


@program("uninformative_labels", "label_problem")
def labels_one_row_late(callbacks):
    """A header line was read as a row, so that each row has the label of the next."""
    return _table(callbacks, lambda y, random: np.roll(y, 1))


@program("uninformative_labels", "label_problem")
def labels_of_another_table_without_validation(callbacks):
    """The same without validation data: only the first epoch saw new samples."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1200, 12)).astype("float32")
    y = random.permutation((x[:, 0] + x[:, 1] > 0).astype("int32"))
    model = keras.Sequential([keras.Input((12,)), layers.Dense(256, "relu")])
    model.add(layers.Dense(256, "relu"))
    model.add(layers.Dense(2, "softmax"))
    return _fit(model, x, y, callbacks, epochs=30)


def _some_wrong(callbacks, share, **settings):
    random = np.random.default_rng(0)
    x, y = digits(1500)
    wrong = random.random(len(y)) < share
    y = np.where(wrong, random.permutation(y), y)
    model = keras.Sequential([keras.Input((784,)), layers.Dense(32, "relu")])
    model.add(layers.Dense(10, "softmax"))
    x = x.reshape(-1, 784) / 255
    return _fit(model, x, y, callbacks, rate=0.001, **settings)


@program("label_problem", "uninformative_labels")
def half_of_the_digits_mislabeled(callbacks):
    """Half of the digits have the label of another one."""
    return _some_wrong(callbacks, 0.5, epochs=4, validation_split=0.2)


@program("label_problem", "uninformative_labels", "overfitting")
def half_of_the_digits_learned_by_heart(callbacks):
    """The same, until the network knows the wrong labels too."""
    return _some_wrong(callbacks, 0.5, epochs=40, validation_split=0.2)


@program()
def digits_with_right_labels(callbacks):
    """Half of nothing."""
    return _some_wrong(callbacks, 0.0, epochs=8, validation_split=0.2)


# Targets of another output


def _two_sensors(callbacks, swap):
    random = np.random.default_rng(0)
    x = [random.normal(size=(500, 4)).astype("float32") for _ in range(2)]
    y = [part[:, :1] - part[:, 1:2] for part in x]
    inputs = [keras.Input((4,), name=name) for name in ("left", "right")]
    ways = [layers.Dense(16, "relu")(part) for part in inputs]
    outputs = [
        layers.Dense(1, name=name)(way)
        for name, way in zip(("near", "far"), ways, strict=True)
    ]
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01), ["mse", "mse"])
    y = y[::-1] if swap else y
    model.fit(x, y, epochs=12, verbose=0, callbacks=callbacks)
    return model


@program("label_problem")
def targets_of_two_branches_swapped(callbacks):
    """Each branch gets the targets that depend on the input of the other one."""
    return _two_sensors(callbacks, swap=True)


@program()
def targets_of_two_branches(callbacks):
    """Each branch gets its own targets."""
    return _two_sensors(callbacks, swap=False)


# Positions that see what they have to predict


def _next_letters(callbacks, **attention):
    random = np.random.default_rng(0)
    following = random.permutation(12)
    text = np.zeros((400, 17), "int32")
    text[:, 0] = random.integers(0, 12, 400)
    for step in range(1, 17):
        free = random.integers(0, 12, 400)
        text[:, step] = np.where(
            random.random(400) < 0.8, following[text[:, step - 1]], free
        )
    letters = keras.Input((16,), dtype="int32")
    x = layers.Embedding(12, 16)(letters)
    x = x + layers.MultiHeadAttention(2, 8)(x, x, **attention)
    model = keras.Model(letters, layers.Dense(12, activation="softmax")(x))
    return _fit(model, text[:, :-1], text[:, 1:], callbacks, epochs=8, rate=0.005)


@program("future_leak")
def letters_that_see_the_next_one(callbacks):
    """Attention without a causal mask."""
    return _next_letters(callbacks)


@program("future_leak")
def waves_read_from_both_sides(callbacks):
    """A bidirectional network predicts the next value of a series."""
    random = np.random.default_rng(0)
    times = np.arange(21) * 0.7 + random.uniform(0, 6, (300, 1))
    waves = np.sin(times) + 0.3 * random.normal(size=times.shape)
    waves = waves[..., None].astype("float32")
    model = keras.Sequential([keras.Input((20, 1))])
    model.add(layers.Bidirectional(layers.GRU(8, return_sequences=True)))
    model.add(layers.Dense(1))
    x, y = waves[:, :-1], waves[:, 1:]
    return _fit(model, x, y, callbacks, loss="mse", epochs=6, rate=0.01)


@program()
def letters_that_see_the_last_ones(callbacks):
    """Attention with a causal mask."""
    return _next_letters(callbacks, use_causal_mask=True)


# Weights that cannot move


def _base(frozen):
    x, y = digits(600)
    hidden = [layers.Dense(3, "relu"), layers.Dense(3, "relu")]
    for layer in hidden:
        layer.trainable = not frozen
    model = keras.Sequential([keras.Input((784,)), *hidden])
    model.add(layers.Dense(10, "softmax"))
    return model, x.reshape(600, 784) / 255, y


@program("frozen_layers")
def base_frozen_before_it_learned(callbacks):
    """Two narrow layers are frozen as they were initialized."""
    model, x, y = _base(frozen=True)
    return _fit(model, x, y, callbacks, epochs=10, rate=0.01)


@program("frozen_layers")
def nothing_left_to_train(callbacks):
    """The whole model is frozen."""
    model, x, y = _base(frozen=True)
    model.trainable = False
    # Some backends refuse to train it.
    with contextlib.suppress(Exception):
        _fit(model, x, y, callbacks, epochs=3)
    return model


def _rounded(y, p):
    return ops.mean(ops.square(ops.cast(y, p.dtype) - ops.round(p)), axis=-1)


def _pairs_of_numbers(callbacks, *hidden, loss):
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, "tanh"), *hidden])
    model.add(layers.Dense(3))
    target = x[:, :3] + 0.5
    # On TensorFlow, Keras ends the training with an exception.
    with contextlib.suppress(ValueError):
        _fit(model, x, target, callbacks, loss=loss, epochs=5)
    return model


@program("no_gradient")
def loss_of_rounded_outputs(callbacks):
    """The loss rounds the outputs, and so is flat."""
    return _pairs_of_numbers(callbacks, loss=_rounded)


def _stopped(y, p):
    return ops.mean(ops.square(y - ops.stop_gradient(p)), axis=-1) + 0 * ops.sum(p, -1)


@program("no_gradient")
def loss_behind_a_stop(callbacks):
    """The loss sees the outputs through `stop_gradient`."""
    return _pairs_of_numbers(callbacks, loss=_stopped)


# Half precision


def _halves(callbacks, units):
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 8)).astype("float32")
    y = x[:, :1] * x[:, 1:2]
    model = keras.Sequential([keras.Input((8,), dtype="float16")])
    model.add(layers.Dense(units, "relu", dtype="float16"))
    model.add(layers.Dense(1, dtype="float16"))
    return _fit(model, x, y, callbacks, loss="mse", epochs=10)


@program("float16_training")
def half_of_every_number(callbacks):
    """Weights, gradients and moments of Adam are float16."""
    return _halves(callbacks, 32)


@program("float16_training")
def wide_layer_in_half_precision(callbacks):
    """The same with a wide layer."""
    return _halves(callbacks, 256)


# Averages


def _normalized(callbacks, momentum):
    x, y = digits(600)
    model = keras.Sequential([keras.Input((784,)), layers.Dense(32)])
    model.add(layers.BatchNormalization(momentum=momentum))
    model.add(layers.ReLU())
    model.add(layers.Dense(10, "softmax"))
    settings = {"epochs": 6, "batch_size": 64, "rate": 0.01}
    # The brightness is far from the averages at the start.
    return _fit(model, x.reshape(600, 784) / 255 + 3, y, callbacks, **settings)


@program("train_inference_gap")
def averages_that_hardly_move(callbacks):
    """With a momentum of 0.9999 the averages stay where they started."""
    return _normalized(callbacks, 0.9999)


@program("train_inference_gap")
def averages_of_a_long_run(callbacks):
    """A momentum of 0.999, for a run of 60 steps."""
    return _normalized(callbacks, 0.999)


@program()
def averages_of_a_short_run(callbacks):
    """A momentum of 0.8 follows within a few steps."""
    return _normalized(callbacks, 0.8)


# Embeddings on one point


def _together(y, p):
    return ops.mean(ops.square(p - ops.roll(p, 1, axis=0)), axis=-1)


def _embeddings(callbacks, size):
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 6)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(16, "relu")])
    model.add(layers.Dense(size, bias_initializer="ones"))
    return _fit(model, x, x[:, :1], callbacks, loss=_together, epochs=30, rate=0.01)


@program("collapsed_output")
def embeddings_only_attracted(callbacks):
    """The loss pulls all embeddings together, and pushes none apart."""
    return _embeddings(callbacks, 4)


@program("collapsed_output")
def long_embeddings_only_attracted(callbacks):
    """The same with 16 numbers."""
    return _embeddings(callbacks, 16)
