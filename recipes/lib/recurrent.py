"""Recurrent nets for the recipes: four tasks, four cells, text drawn from a net."""

import math
from typing import NamedTuple

import keras
import numpy as np

from kcomponents import activations
from lib.sequences import adding, series, text, vowels

LAYERS = {
    "rnn": keras.layers.SimpleRNN,
    "irnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
}
UNITS = {
    "adding": "squared error",
    "text": "bits per character",
    "series": "squared error",
    "vowels": "cross-entropy",
}


class Task(NamedTuple):
    """What a net is to learn.

    Args:
        name: String, one of `UNITS`.
        train: Pair of arrays, inputs and targets, those of text in `lanes`.
        validation: The same, held back.
        constant: Float, the loss on `validation` of saying the same each time.
        classes: Integer, how many there are to choose from; 0 for a number.
        alphabet: String, the characters that a text consists of.
    """

    name: str
    train: tuple
    validation: tuple
    constant: float
    classes: int = 0
    alphabet: str = ""


def task(name, data, length, batch, updates, seed):
    """Return the task of a name, in batches of sequences of some length."""
    if name == "adding":
        if data is not None:
            raise ValueError(f"Adding makes its own data. Received: {data=}")
        counts = (20_000, 2 * seed), (1000, 2 * seed + 1)
        return numbers(name, *(adding(count, length, own) for count, own in counts))
    if name == "series":
        parts = series(data or "sunspots")
        return numbers(name, *(windows(part, length) for part in parts))
    if name == "text":
        (train, held), alphabet = text(data or "shakespeare")
        pairs = lanes(train, length, batch), lanes(held, length, batch, updates)
        return choices(name, *pairs, len(alphabet), alphabet)
    (x, _, y), (x_held, _, y_held) = vowels(data or "japanese_vowels")
    pairs = (x[:, :length], y), (x_held[:, :length], y_held)
    return choices(name, *pairs, 1 + int(max(y.max(), y_held.max())))


def numbers(name, train, held):
    """Return a task to say numbers; the constant is their mean."""
    error = np.mean(np.square(held[1] - np.mean(train[1])))
    return Task(name, train, held, float(error))


def choices(name, train, held, classes, alphabet=""):
    """Return a task to choose; the constant is how often each class occurs."""
    # One more of each, so that a class that only occurs later has a chance too.
    counts = np.bincount(train[1].ravel(), minlength=classes) + 1.0
    surprise = -np.log(counts / counts.sum())[held[1]]
    return Task(name, train, held, float(surprise.mean()), classes, alphabet)


def windows(values, length):
    """Return all stretches of a series, each with the value that comes next."""
    if len(values) <= length:
        rule = f"Each part of a series must be longer than a sequence of {length}"
        raise ValueError(f"{rule}. Received: a part of {len(values)} numbers")
    x = np.lib.stride_tricks.sliding_window_view(values[:-1], length)
    return x[..., None], values[length:, None]


def lanes(codes, length, batch, most=None):
    """Cut a text into as many lanes as a batch has rows, side by side.

    Row i of each batch goes on in lane i where row i of the last batch ended, so that
    a stateful net reads on.
    """
    steps = (len(codes) - 1) // (batch * length)
    if not steps:
        rule = f"Each part of a text must fill a batch, {batch} x {length} characters"
        advice = "Choose a smaller --batch or --length"
        raise ValueError(f"{rule}. Received: a part of {len(codes)}. {advice}")
    used = steps * batch * length

    def cut(codes):
        return codes.reshape(batch, steps, length).swapaxes(0, 1)[:most]

    cuts = cut(codes[:used]), cut(codes[1 : used + 1])
    return tuple(rows.reshape(-1, length) for rows in cuts)


def batches(task, size, seed):
    """Return an endless iterator: text in order, other sequences shuffled."""
    if len(task.train[0]) < size:
        rule = "There must be as many sequences to train on as a batch has"
        raise ValueError(f"{rule}. Received: {len(task.train[0])}, --batch {size}")
    return _batches(task, size, seed)


def _batches(task, size, seed):
    x, y = task.train
    generator = np.random.default_rng(seed)
    while True:
        order = np.arange(len(x))
        if task.name != "text":
            generator.shuffle(order)
        for first in range(0, len(x) - size + 1, size):
            rows = order[first : first + size]
            yield x[rows], y[rows]


def state_activation(name, units):
    """Return an activation for the state, ready for use within a cell."""
    found = activations.get(name)
    if isinstance(found, keras.layers.Layer):
        shape = (None, units)
        found.build(shape)
        random = len(found.variables) > len(found.trainable_variables)
        if random or tuple(found.compute_output_shape(shape)) != shape:
            rule = "The activation of a state must keep its shape and not be random"
            raise ValueError(f"{rule}. Received: activation={name!r}")
    return found


def net(task, s, optimizer, batch, length, steps=1):
    """Return a compiled net; one of text keeps its state from batch to batch."""
    first = keras.initializers.Orthogonal(s.gain)
    if s.cell == "irnn":
        first = keras.initializers.Identity(s.gain)
    if s.cell == "rnn":
        first = keras.initializers.RandomNormal(stddev=s.gain / math.sqrt(s.units))
    options = {"recurrent_initializer": first, "name": "recurrent"}
    options["activation"] = state_activation(s.activation, s.units)
    front = [keras.Input(task.train[0].shape[1:])]
    if task.name == "text":
        start = keras.Input(batch_shape=(batch, length), dtype="int32")
        front = [start, keras.layers.Embedding(task.classes, 32)]
        options |= {"stateful": True, "return_sequences": True}
    if task.name == "vowels":
        front.append(keras.layers.Masking())
    head = keras.layers.Dense(task.classes or 1)
    layer = LAYERS[s.cell](s.units, **options)
    if task.name == "text":
        keep_apart(layer)
    model = keras.Sequential([*front, layer, head])
    loss, metrics = "mse", []
    if task.classes:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        metrics = ["accuracy"]
    model.compile(optimizer, loss, metrics=metrics, steps_per_execution=steps)
    return model


def keep_apart(layer):
    """Let a stateful layer begin from a copy of its state, which it overwrites."""
    # On PyTorch too early for lstm and gru: keras-team/keras#23462, Keras 3.15.
    loop = layer.inner_loop

    def from_copy(sequences, initial_state, **options):
        copied = keras.tree.map_structure(keras.ops.copy, initial_state)
        return loop(sequences, copied, **options)

    layer.inner_loop = from_copy


def forget_state(model):
    """Set the state of a stateful net to zero."""
    # `reset_state` of the layer fails with Keras 3.10 on JAX.
    for state in keras.tree.flatten(model.get_layer("recurrent").states):
        state.assign(keras.ops.zeros(state.shape, state.dtype))


def draw(model, one, task, s, seed):
    """Return characters that a net of text draws, each given those before it.

    `one` is a net like it, for a batch of one sequence of one character.
    """
    both = one.trainable_variables, model.trainable_variables
    for mine, learned in zip(*both, strict=True):
        mine.assign(learned)
    forget_state(one)
    # The first character of what is held back comes before them.
    code, drawn, chance = task.validation[0][0, 0], [], np.random.default_rng(seed)
    for _ in range(s.sample):
        logits = one.predict_on_batch(np.full((1, 1), code, "int32"))[0, 0]
        odds = np.asarray(logits, "float64") / s.temperature
        odds = np.exp(odds - odds.max())
        code = chance.choice(len(odds), p=odds / odds.sum())
        drawn.append(task.alphabet[code])
    return "".join(drawn)
