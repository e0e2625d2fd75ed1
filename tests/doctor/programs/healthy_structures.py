"""Healthy programs of many shapes: several inputs and outputs, shared, nested."""

import keras
import numpy as np
from keras import layers, ops

from . import program
from .healthy_data import blobs, moons, smooth


@program()
def two_inputs_two_outputs(callbacks):
    """Names for inputs and outputs, a loss each, and weights of the losses."""
    generator = np.random.default_rng(0)
    body = generator.normal(size=(800, 3)).astype("float32")
    habits = generator.normal(size=(800, 2)).astype("float32")
    age = (50 + 10 * body[:, :1] + 5 * habits[:, :1]).astype("float32")
    ill = (body[:, 1] + habits[:, 1] > 0.3).astype("float32")
    first, second = keras.Input((3,), name="body"), keras.Input((2,), name="habits")
    both = layers.concatenate([first, second])
    hidden = layers.Dense(32, activation="relu")(both)
    mean = keras.initializers.Constant(50.0)
    outputs = {
        "age": layers.Dense(1, bias_initializer=mean, name="age")(hidden),
        "ill": layers.Dense(1, activation="sigmoid", name="ill")(hidden),
    }
    model = keras.Model([first, second], outputs)
    model.compile(
        keras.optimizers.Adam(0.01),
        loss={"age": "mse", "ill": "binary_crossentropy"},
        loss_weights={"age": 0.01, "ill": 1.0},
        metrics={"ill": "accuracy"},
    )
    model.fit(
        {"body": body, "habits": habits},
        {"age": age, "ill": ill},
        epochs=18,
        callbacks=callbacks,
        verbose=0,
    )
    return model


def _distance(vectors):
    return ops.sqrt(ops.sum(ops.square(vectors[0] - vectors[1]), -1, True) + 1e-7)


def _contrastive(y_true, y_pred):
    apart = ops.square(ops.maximum(1.0 - y_pred, 0.0))
    return ops.mean((1 - y_true) * ops.square(y_pred) + y_true * apart)


@program()
def siamese(callbacks):
    """One network sees both of a pair; the loss pulls the same class together."""
    x, y = blobs(300, 6, 4, spread=0.5)
    generator = np.random.default_rng(0)
    left, right = generator.integers(0, 300, (2, 1000))
    tower = keras.Sequential(
        [keras.Input((6,)), layers.Dense(16, activation="relu"), layers.Dense(4)]
    )
    inputs = [keras.Input((6,)), keras.Input((6,))]
    distance = layers.Lambda(_distance, output_shape=(1,))
    model = keras.Model(inputs, distance([tower(one) for one in inputs]))
    model.compile(loss=_contrastive, optimizer=keras.optimizers.RMSprop(0.003))
    different = (y[left] != y[right]).astype("float32")[:, None]
    model.fit(
        [x[left], x[right]],
        different,
        epochs=15,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


class Residual(layers.Layer):
    """A branch that adds nothing at the start, for its last kernel is zero."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(width, activation="relu")
        self.outer = layers.Dense(width, kernel_initializer="zeros")

    def call(self, inputs):
        return inputs + self.outer(self.inner(inputs))


@program()
def residual_branches(callbacks):
    """Residual blocks with branches that start at zero: no gradient within."""
    x, y = moons(600, seed=6)
    inputs = keras.Input((2,))
    hidden = layers.Dense(16)(inputs)
    for _ in range(4):
        hidden = Residual(16)(hidden)
    outputs = layers.Dense(1, activation="sigmoid")(hidden)
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.Adam(0.003)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def zeros_at_the_end(callbacks):
    """A last layer of zeros: the first outputs are all alike, and so they should be."""
    x, y = blobs(900, 8, 5, spread=0.9)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(5, activation="softmax", kernel_initializer="zeros"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


class Regressor(keras.Model):
    """A model as in the guides: layers made in `__init__`, nothing built before fit."""

    def __init__(self, width):
        super().__init__()
        self.first = layers.Dense(width, activation="relu")
        self.dropout = layers.Dropout(0.05)
        self.last = layers.Dense(1)

    def call(self, inputs, training=False):
        hidden = self.first(inputs)
        return self.last(self.dropout(hidden, training=training))


@program()
def subclassed_model(callbacks):
    """A subclassed model that is first built when it is fitted."""
    x, y = smooth(1000, seed=7)
    model = Regressor(64)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    model.fit(x, y, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def nested_models(callbacks):
    """A model in a model, and between two Dense layers nothing but a Reshape."""
    x, y = blobs(600, 12, 4)
    reader = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(12),
            layers.Reshape((3, 4)),
            layers.Dense(8),
            layers.ReLU(),
            layers.Flatten(),
        ],
        name="reader",
    )
    inputs = keras.Input((12,))
    outputs = layers.Dense(4, activation="softmax")(reader(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def wide_and_deep(callbacks):
    """A linear path beside a deep one; the deep one has only a remainder to explain."""
    x, y = smooth(1000, seed=8)
    inputs = keras.Input((4,))
    deep = layers.Dense(32, activation="elu")(inputs)
    deep = layers.Dense(32, activation="elu")(deep)
    outputs = layers.Dense(1)(layers.Concatenate()([inputs, deep]))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Nadam(0.005), loss="mse")
    model.fit(x, y, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model
