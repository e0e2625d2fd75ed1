"""Healthy programs that continue from existing weights: frozen, tuned, converged."""

import tempfile

import keras
import numpy as np
from keras import layers

from . import program
from .healthy_data import blobs, digits, smooth


def _pretrained(images, labels, classes):
    """A network that knows its digits, trained where no callback sees it."""
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(64, activation="relu", name="base_first"),
            layers.Dense(32, activation="relu", name="base_second"),
            layers.Dense(classes, activation="softmax", name="head"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, epochs=5, verbose=0)
    return model


def _flat_digits(rows, classes):
    x, y = digits(rows, classes)
    return x.reshape(-1, 784) / np.float32(255), y


@program()
def fine_tuning(callbacks):
    """Everything was learned before; a learning rate of 1e-5 changes almost nothing."""
    x, y = _flat_digits(1000, 4)
    model = _pretrained(x[:800], y[:800], 4)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-5),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x[:800],
        y[:800],
        epochs=5,
        validation_data=(x[800:], y[800:]),
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def frozen_base(callbacks):
    """Layers of digits 0 to 4 are frozen; a new head learns which are round."""
    x, y = _flat_digits(1000, 5)
    base = keras.Sequential(_pretrained(x[:500], y[:500], 5).layers[:-1])
    base.trainable = False
    inputs = keras.Input((784,))
    features = base(inputs, training=False)
    outputs = layers.Dense(1, activation="sigmoid")(layers.Dropout(0.2)(features))
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    curved = np.isin(y, (0, 2, 3)).astype("float32")
    model.fit(
        x, curved, epochs=12, validation_split=0.2, callbacks=callbacks, verbose=0
    )
    return model


@program()
def unfrozen_in_stages(callbacks):
    """First the head, then everything at a tenth of the learning rate: two fits."""
    x, y = _flat_digits(1000, 3)
    model = _pretrained(x[:800], (y[:800] % 2).astype("int32"), 2)
    base = keras.Sequential(model.layers[:-1])
    model = keras.Sequential([base, layers.Dense(3, activation="softmax")])
    for trainable, rate, epochs in ((False, 0.01, 12), (True, 1e-4, 4)):
        base.trainable = trainable
        optimizer = keras.optimizers.Adam(rate)
        model.compile(
            optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        model.fit(
            x,
            y,
            epochs=epochs,
            validation_split=0.2,
            callbacks=callbacks,
            verbose=0,
        )
    return model


@program()
def saved_and_loaded(callbacks):
    """A model that was saved and loaded, and is trained on: it starts near its end."""
    x, y = blobs(700, 8, 5)
    first = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(5, activation="softmax"),
        ]
    )
    first.compile("adam", loss="sparse_categorical_crossentropy")
    first.fit(x, y, epochs=12, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        first.save(f"{folder}/first.keras")
        model = keras.models.load_model(f"{folder}/first.keras")
    optimizer = keras.optimizers.Adam(1e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=15, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def converged_and_trained_on(callbacks):
    """Trained to the end, and on: the loss no longer falls, gradients are tiny."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 4)).astype("float32")
    y = x @ [1.0, -2.0, 0.5, 0.0] + 1 + 0.1 * generator.normal(size=400)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    y = y.astype("float32")
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    model.fit(x, y, epochs=30, verbose=0)
    model.fit(x, y, epochs=20, callbacks=callbacks, verbose=0)
    return model


@program()
def tiny_losses(callbacks):
    """Targets of a hundredth: the loss starts at 1e-4 and falls a hundredfold."""
    x, y = smooth(1000, features=3, noise=0.3, seed=10)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, kernel_initializer="zeros"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.005, decay_steps=25 * 25)
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    y = 0.01 * (y - y.mean())
    model.fit(x, y, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def distillation(callbacks):
    """A student learns from a teacher's answers; the teacher is never trained."""
    x, y = blobs(800, 8, 4)
    teacher = keras.Sequential(
        [keras.Input((8,)), layers.Dense(64, "relu"), layers.Dense(4, "softmax")]
    )
    teacher.compile("adam", "sparse_categorical_crossentropy")
    teacher.fit(x, y, epochs=10, verbose=0)
    answers = teacher.predict(x, verbose=0)
    student = keras.Sequential(
        [keras.Input((8,)), layers.Dense(12, "relu"), layers.Dense(4, "softmax")]
    )
    optimizer = keras.optimizers.Adam(0.01)
    student.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    student.fit(
        x, answers, epochs=15, validation_split=0.2, callbacks=callbacks, verbose=0
    )
    return student
