"""The models that are trained with and without monitors: kinds that people train."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

layers = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
CLASSES = 10


@dataclasses.dataclass
class Case:
    """The hidden layers of a model, and the steps of an epoch and of a turn.

    Where `ids` is not 0, the inputs are integers from 1 to `ids`.
    """

    hidden: Callable
    shape: tuple
    batch: int
    steps: int
    turn: int
    ids: int = 0


def perceptron(x):
    """Return four wide layers of ReLU."""
    for _ in range(4):
        x = layers.Dense(512, "relu")(x)
    return x


def tabular(x):
    """Return three layers for a table: its steps are the shortest that there are."""
    for _ in range(3):
        x = layers.Dense(64, "relu")(x)
    return x


def convolutions(x):
    """Return a small network for digits."""
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
    return layers.Dense(128, "relu")(layers.Flatten()(layers.MaxPooling2D()(x)))


def recurrent(x):
    """Return the last state of an LSTM."""
    return layers.LSTM(128)(x)


def masked_recurrent(x):
    """Return the last state of an LSTM over texts of which a part is padding."""
    return layers.LSTM(64)(layers.Embedding(501, 32, mask_zero=True)(x))


def transformer(x):
    """Return the mean over two encoder blocks."""
    for _ in range(2):
        attended = layers.MultiHeadAttention(4, 32)(x, x)
        x = layers.LayerNormalization()(x + attended)
        wide = layers.Dense(256, "relu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(128)(wide))
    return layers.GlobalAveragePooling1D()(x)


def gpt(x):
    """Return the mean over two decoder blocks, 128 wide."""
    x = layers.Embedding(201, 128)(x)
    for _ in range(2):
        normal = layers.LayerNormalization()(x)
        x += layers.MultiHeadAttention(4, 32)(normal, normal, use_causal_mask=True)
        wide = layers.Dense(512, "gelu")(layers.LayerNormalization()(x))
        x += layers.Dense(128)(wide)
    return layers.GlobalAveragePooling1D()(x)


def normalized(x, filters, strides=1):
    """Return a convolution with batch normalization."""
    x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)


def resnet20(x):
    """Return ResNet-20 for small pictures, of He et al. (2015)."""
    x = layers.ReLU()(normalized(x, 16))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            new = layers.ReLU()(normalized(x, filters, strides))
            new = normalized(new, filters)
            if strides > 1:
                x = layers.Conv2D(filters, 1, strides)(x)
            x = layers.ReLU()(layers.Add()([x, new]))
    return layers.GlobalAveragePooling2D()(x)


def fine_tuned(x):
    """Return the features of a frozen MobileNetV3, whose weights are random here."""
    base = keras.applications.MobileNetV3Small(
        x.shape[1:], include_top=False, weights=None, pooling="avg"
    )
    base.trainable = False
    return base(x, training=False)


# The doctor watches about one of 64 steps: most epochs have one of these at least.
CASES = {
    "MLP": Case(perceptron, (784,), batch=128, steps=256, turn=16),
    "CNN": Case(convolutions, (28, 28, 1), batch=16, steps=64, turn=4),
    "LSTM": Case(recurrent, (100, 32), batch=32, steps=64, turn=4),
    "Transformer": Case(transformer, (64, 128), batch=8, steps=64, turn=4),
    "tabular MLP": Case(tabular, (30,), batch=32, steps=1280, turn=320),
    "LSTM, masks": Case(masked_recurrent, (40,), 32, steps=192, turn=8, ids=500),
    "GPT": Case(gpt, (64,), batch=8, steps=64, turn=4, ids=200),
    "ResNet-20": Case(resnet20, (32, 32, 3), batch=8, steps=64, turn=4),
    "MobileNetV3": Case(fine_tuned, (96, 96, 3), batch=8, steps=64, turn=4),
}


def compiled(case, metrics=()):
    """Return the model of a case, ready for `fit`."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(case.shape, dtype="int32" if case.ids else None)
    model = keras.Model(inputs, layers.Dense(CLASSES)(case.hidden(inputs)))
    model.compile(keras.optimizers.Adam(), LOSS, metrics=[*metrics])
    return model


def arrays(case, steps, seed=0):
    """Return random inputs and labels for so many steps."""
    generator = np.random.default_rng(seed)
    shape = steps * case.batch, *case.shape
    if case.ids:
        x = generator.integers(1, case.ids + 1, size=shape).astype("int32")
        # The ends of texts of different lengths.
        lengths = generator.integers(1, case.shape[0] + 1, size=(shape[0], 1))
        x *= np.arange(case.shape[0]) < lengths
    else:
        x = generator.normal(size=shape).astype("float32")
    return x, generator.integers(CLASSES, size=shape[0])


def data(case):
    """Return a few batches of random inputs and labels."""
    x, y = arrays(case, 4)
    return list(zip(np.split(x, 4), np.split(y, 4), strict=True))


def forever(batches):
    """Yield the batches again and again."""
    while True:
        yield from batches
