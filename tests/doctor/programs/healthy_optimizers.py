"""Healthy programs with schedules, large learning rates and other settings."""

import keras
import numpy as np
from keras import layers

from tests.keras_own import takes_several_steps

from . import program
from .healthy_data import blobs, smooth


def _classifier(**options):
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu", **options),
            layers.Dense(5, activation="softmax", **options),
        ]
    )


def _train(model, optimizer, callbacks, epochs=20, batch_size=32, **options):
    """Fit five blobs in the same way for all optimizers."""
    x, y = blobs(800, 8, 5)
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer, loss=loss, metrics=["accuracy"], **options)
    model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=batch_size,
        validation_split=0.25,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def cosine_to_zero(callbacks):
    """A learning rate that ends at zero: the last updates are nothing."""
    rate = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=19 * 20)
    return _train(_classifier(), keras.optimizers.Adam(rate), callbacks)


@program()
def warm_up(callbacks):
    """A learning rate that starts at zero: nothing moves at first."""
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=300, warmup_target=0.01, warmup_steps=80
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.004)
    return _train(_classifier(), optimizer, callbacks)


@program()
def falling_in_steps(callbacks):
    """LearningRateScheduler and ReduceLROnPlateau, down to a thousandth."""
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)
    schedule = keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rate * 0.1 if epoch in (10, 15) else rate
    )
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=3)
    return _train(_classifier(), optimizer, [*callbacks, schedule, plateau])


@program()
def sgd_at_one(callbacks):
    """SGD with a learning rate of 1, which a network this small stands well."""
    model = _classifier(kernel_regularizer=keras.regularizers.L2(1e-4))
    optimizer = keras.optimizers.SGD(learning_rate=1.0)
    return _train(model, optimizer, callbacks, batch_size=200)


@program()
def adam_at_three_hundredths(callbacks):
    """Adam with 0.03: thirty times the usual, done in a few epochs."""
    return _train(_classifier(), keras.optimizers.Adam(0.03), callbacks, epochs=5)


@program()
def weight_decay(callbacks):
    """L2 of 1e-4 on all kernels: a part of the loss that no learning takes away."""
    model = _classifier(kernel_regularizer=keras.regularizers.L2(1e-4))
    return _train(model, "rmsprop", callbacks)


@program()
def clipped_gradients(callbacks):
    """Gradients clipped at a tenth of what they are at first; Adam does not mind."""
    optimizer = keras.optimizers.Adam(0.005, global_clipnorm=0.1)
    return _train(_classifier(), optimizer, callbacks, epochs=12)


@program()
def averaged_weights(callbacks):
    """An exponential moving average of the weights, taken over at the end."""
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    return _train(_classifier(), optimizer, callbacks, epochs=12)


@program()
def accumulated_gradients(callbacks):
    """Weights that change at every fourth step only."""
    optimizer = keras.optimizers.Adam(0.01, gradient_accumulation_steps=4)
    return _train(_classifier(), optimizer, callbacks, epochs=6, batch_size=8)


@program()
def several_steps_at_once(callbacks):
    """Five steps in one go, where the backend can do that."""
    steps = 5 if takes_several_steps() else 1
    return _train(
        _classifier(),
        keras.optimizers.Nadam(0.003),
        callbacks,
        steps_per_execution=steps,
    )


@program()
def mixed_precision(callbacks):
    """Layers that compute in half precision, bfloat16, and output float32."""
    policy = keras.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu", dtype=policy),
            layers.Dense(32, activation="relu", dtype=policy),
            layers.Dense(5, activation="softmax", dtype="float32"),
        ]
    )
    return _train(model, keras.optimizers.Adam(0.005), callbacks, epochs=15)


@program()
def one_row_a_batch(callbacks):
    """Batches of one row: the loss of a batch jumps, the epoch's does not."""
    x, y = blobs(250, 4, 3)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(16, activation="tanh"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.SGD(0.05)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=1, epochs=4, callbacks=callbacks, verbose=0)
    return model


@program()
def all_rows_a_batch(callbacks):
    """One step an epoch, 120 of them; each epoch's loss is that of a single batch."""
    x, y = smooth(1000, seed=9)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation=layers.LeakyReLU(negative_slope=0.1)),
            layers.Dense(32, activation="swish"),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), loss="mse")
    weights = np.linspace(0.5, 1.5, 1000).astype("float32")
    model.fit(
        x,
        y,
        sample_weight=weights,
        batch_size=4096,
        epochs=120,
        callbacks=callbacks,
        verbose=0,
    )
    return model
