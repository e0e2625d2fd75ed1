"""Small models, one for each way to build a model in Keras: `models[name]()`.

Each function returns a built, uncompiled model and `x` and `y` with 8 samples for the
loss "mse". The seed of the weights and the names are fixed.
"""

import keras
import numpy as np
from keras import layers

from tests.probes.guide import train_step_of_the_guide

SAMPLES = 8


def normal(*shape):
    """Return samples of the given shape, the same at each call."""
    generator = np.random.default_rng(sum(shape))
    return generator.normal(size=(SAMPLES, *shape)).astype("float32")


def sequential():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, "relu", name="first"),
            layers.Dense(5, "tanh", name="second"),
            layers.Dense(1, name="last"),
        ],
        name="sequential",
    )
    return model, normal(4), normal(1)


def functional():
    image = keras.Input((5, 5, 2), name="image")
    vector = keras.Input((3,), name="vector")
    seen = layers.Conv2D(4, 2, activation="relu", name="convolution")(image)
    seen = layers.GlobalAveragePooling2D(name="pooling")(seen)
    read = layers.Dense(5, "relu", name="reader")(vector)
    both = layers.Concatenate(name="both")([seen, read])
    outputs = {
        "height": layers.Dense(1, name="height")(both),
        "color": layers.Dense(3, "sigmoid", name="color")(both),
    }
    model = keras.Model({"image": image, "vector": vector}, outputs, name="functional")
    x = {"image": normal(5, 5, 2), "vector": normal(3)}
    return model, x, {"height": normal(1), "color": normal(3)}


class Subclassed(keras.Model):
    """A subclassed model with its hidden layers in a list."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [layers.Dense(5, "relu", name=f"hidden_{i}") for i in range(2)]
        self.last = layers.Dense(1, name="last")

    def call(self, inputs):
        for layer in self.hidden:
            inputs = layer(inputs)
        return self.last(inputs)


def subclassed():
    model = Subclassed(name="subclassed")
    model(normal(4))
    return model, normal(4), normal(1)


def nested():
    inner = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(6, "relu", name="inner_first"),
            layers.Dense(4, "tanh", name="inner_second"),
        ],
        name="inner",
    )
    inputs = keras.Input((4,), name="inputs")
    hidden = inner(layers.Dense(5, "relu", name="first")(inputs))
    outputs = layers.Dense(1, name="last")(hidden)
    return keras.Model(inputs, outputs, name="nested"), normal(4), normal(1)


def shared():
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    twice = layers.Dense(5, "relu", name="twice")
    both = layers.Concatenate(name="both")([twice(left), twice(right)])
    outputs = layers.Dense(1, name="last")(both)
    model = keras.Model([left, right], outputs, name="shared")
    return model, [normal(4), -normal(4)], normal(1)


def time_distributed():
    each = layers.TimeDistributed(layers.Dense(5, "relu", name="dense"), name="each")
    model = keras.Sequential(
        [
            keras.Input((3, 4)),
            each,
            layers.SimpleRNN(4, name="recurrent"),
            layers.Dense(1, name="last"),
        ],
        name="time_distributed",
    )
    return model, normal(3, 4), normal(1)


def bidirectional():
    both_ways = layers.Bidirectional(layers.LSTM(3, name="lstm"), name="both_ways")
    model = keras.Sequential(
        [keras.Input((3, 4)), both_ways, layers.Dense(1, name="last")],
        name="bidirectional",
    )
    return model, normal(3, 4), normal(1)


def activations():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, name="first"),
            layers.Activation("relu", name="activation"),
            layers.Dense(5, activation=keras.ops.tanh, name="second"),
            layers.Dense(4, name="third"),
            layers.ReLU(name="relu"),
            layers.Dense(1, name="last"),
        ],
        name="activations",
    )
    return model, normal(4), normal(1)


def embedding():
    model = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(7, 3, name="embedding"),
            layers.GlobalAveragePooling1D(name="pooling"),
            layers.Dense(1, name="last"),
        ],
        name="embedding",
    )
    # Fewer indices than positions, so some embeddings are used twice, others never.
    x = np.random.default_rng(0).integers(0, 5, size=(SAMPLES, 5)).astype("int32")
    return model, x, normal(1)


def custom_train_step():
    inputs = keras.Input((4,), name="inputs")
    hidden = layers.Dense(5, "relu", name="first")(inputs)
    outputs = layers.Dense(1, name="last")(hidden)
    kind = type("CustomTrainStep", (keras.Model,), train_step_of_the_guide())
    return kind(inputs, outputs, name="custom_train_step"), normal(4), normal(1)


def _seeded(maker):
    def make():
        keras.utils.set_random_seed(0)
        return maker()

    return make


MAKERS = [
    sequential,
    functional,
    subclassed,
    nested,
    shared,
    time_distributed,
    bidirectional,
    activations,
    embedding,
    custom_train_step,
]
models = {maker.__name__: _seeded(maker) for maker in MAKERS}
