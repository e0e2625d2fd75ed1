"""Healthy programs that predict numbers: large, small, counted, noisy, quantiles."""

import keras
import numpy as np
from keras import layers, ops

from . import program
from .healthy_data import smooth


def _net(activation=None, inputs=4, width=32, **last):
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(width, activation="relu"),
            layers.Dense(width, activation="relu"),
            layers.Dense(1, activation=activation, **last),
        ]
    )


@program()
def fuel(callbacks):
    """Miles per gallon as in the tutorial: features of all sizes, normalized inside."""
    generator = np.random.default_rng(0)
    weight = generator.uniform(1600, 5200, 400)
    power = 0.03 * weight + generator.normal(scale=15, size=400)
    year = generator.integers(70, 83, 400)
    miles = 46 - 0.0075 * weight - 0.03 * power + 0.6 * (year - 76)
    miles = miles + 40 * (2500 / weight - 1).clip(0) + generator.normal(size=400)
    x = np.stack([weight, power, year], 1).astype("float32")
    normalizer = layers.Normalization()
    normalizer.adapt(x)
    model = keras.Sequential(
        [
            normalizer,
            layers.Dense(64, "relu"),
            layers.Dense(64, "relu"),
            layers.Dense(1),
        ]
    )
    model.compile(loss="mean_absolute_error", optimizer=keras.optimizers.Adam(0.005))
    model.fit(
        x,
        miles.astype("float32"),
        validation_split=0.2,
        epochs=40,
        verbose=0,
        callbacks=callbacks,
    )
    return model


@program()
def house_prices(callbacks):
    """Targets of 300 or so; the last bias starts at their mean, so all goes well."""
    x, y = smooth(1000)
    prices = 300 + 20 * y
    start = keras.initializers.Constant(float(prices[:800].mean()))
    model = _net(bias_initializer=start)
    model.compile(keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
    model.fit(
        x[:800],
        prices[:800],
        epochs=35,
        validation_data=(x[800:], prices[800:]),
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program()
def denormalized_output(callbacks):
    """A Normalization layer turned round brings outputs back to hundreds."""
    x, y = smooth(1000, seed=1)
    y = 500 + 80 * y
    back = layers.Normalization(invert=True)
    back.adapt(y)
    model = keras.Sequential([*_net().layers, back])
    model.compile(keras.optimizers.Adam(0.003), loss="mae")
    model.fit(x, y, epochs=30, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def unit_interval(callbacks):
    """Targets between 0 and 1, a sigmoid and squared error: small losses throughout."""
    x, y = smooth(1000, seed=2)
    share = 1 / (1 + np.exp(-y))
    model = _net("sigmoid")
    model.compile(keras.optimizers.Adam(0.003), loss="mse")
    model.fit(x, share, epochs=25, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def absolute_error(callbacks):
    """MAE and a few wild targets that nothing explains."""
    x, y = smooth(1000, seed=3)
    y[::50] += 8
    model = _net()
    model.compile(keras.optimizers.Adam(0.003), loss="mae")
    model.fit(x, y, epochs=30, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def huber(callbacks):
    """Huber loss, RMSprop, no validation."""
    x, y = smooth(1000, seed=4)
    model = _net()
    model.compile(keras.optimizers.RMSprop(0.002), loss=keras.losses.Huber())
    model.fit(x, y, epochs=25, callbacks=callbacks, verbose=0)
    return model


@program()
def counts(callbacks):
    """Counts drawn from a Poisson distribution: a loss that may be below zero."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(800, 3)).astype("float32")
    y = generator.poisson(np.exp(1 + 0.6 * x[:, 0] - 0.4 * x[:, 1])).astype("float32")
    model = _net("exponential", inputs=3, width=16)
    model.compile(keras.optimizers.Adam(0.005), loss="poisson")
    model.fit(x, y, epochs=20, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def squared_logarithmic_error(callbacks):
    """Targets from 1 to 1000, and a loss that looks at their logarithm."""
    x, y = smooth(1000, seed=5)
    model = _net("exponential")
    optimizer = keras.optimizers.Adam(0.003)
    model.compile(optimizer, loss="mean_squared_logarithmic_error")
    amounts = np.exp(3 + y)
    model.fit(
        x, amounts, epochs=30, validation_split=0.2, callbacks=callbacks, verbose=0
    )
    return model


@program()
def half_noise(callbacks):
    """Half of the variance is noise, so the squared error stays at half."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1000, 3)).astype("float32")
    y = (x @ [0.6, -0.5, 0.6] + generator.normal(size=1000)).astype("float32")
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(8, "tanh"), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    model.fit(x, y, epochs=20, validation_split=0.3, callbacks=callbacks, verbose=0)
    return model


@program()
def linear_regression(callbacks):
    """One Dense without activation, SGD at 0.1: linear, and meant to be."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 5)).astype("float32")
    y = x @ generator.normal(size=5) + 3 + 0.1 * generator.normal(size=500)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1, "linear")])
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    model.fit(x, y, epochs=20, validation_split=0.2, callbacks=callbacks, verbose=0)
    return model


@program()
def upper_quantile(callbacks):
    """A pinball loss aims at the 90 % quantile: most targets lie below the output."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (800, 1)).astype("float32")
    y = 3 * x + 0.5 * generator.normal(size=x.shape)

    def pinball(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(0.9 * error, -0.1 * error), axis=-1)

    model = _net(inputs=1, width=16)
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss=pinball)
    model.fit(x, y.astype("float32"), epochs=20, callbacks=callbacks, verbose=0)
    return model
