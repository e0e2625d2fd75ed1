"""The targets have a scale that prevents training."""

import keras
import numpy as np
from keras import layers

from . import program


def _houses(callbacks, optimizer, unit, epochs=15):
    """Standardized facts of houses, and prices of about 200,000."""
    random = np.random.default_rng(31)
    x = random.normal(size=(500, 8))
    price = 200_000 + 60_000 * x[:, 0] + 20_000 * np.abs(x[:, 1])
    y = (price - 200_000 * (unit != 1)) / unit
    model = keras.Sequential([keras.Input((8,)), layers.Dense(32, activation="relu")])
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer=optimizer, loss="mse", metrics=["mae"])
    model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=32,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program("unnormalized_target", "slow_learning", "learning_rate_too_low")
def prices_in_dollars(callbacks):
    """Adam walks too slowly to get from 0 to 200,000."""
    return _houses(callbacks, keras.optimizers.Adam(0.005), 1)


@program(
    "unnormalized_target", "exploding_gradient", "learning_rate_too_high", "loss_nan"
)
def prices_in_dollars_by_descent(callbacks):
    """Errors of 200,000 make steps that plain descent does not survive."""
    return _houses(callbacks, keras.optimizers.SGD(0.01), 1)


@program()
def prices_in_dollars_repaired(callbacks):
    """Prices are counted from the mean, in units of 60,000."""
    return _houses(callbacks, keras.optimizers.Adam(0.005), 60_000)


def _stock(callbacks, scaled):
    """Windows of twelve days of a share, and the price of the next day."""
    random = np.random.default_rng(8)
    price = 1500 + 200 * np.sin(np.arange(330) / 9) + random.normal(0, 4, 330)
    if scaled:
        price = (price - price.mean()) / price.std()
    x = np.stack([price[i : i + 12] for i in range(318)])[..., None]
    model = keras.Sequential([layers.LSTM(12), layers.Dense(1)])
    model.compile(loss="mean_squared_error", optimizer=keras.optimizers.Adam(0.01))
    y = price[12:]
    model.fit(x, y, epochs=9, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program(
    "unnormalized_target",
    "unnormalized_input",
    "saturated_activation",
    "slow_learning",
)
def share_price_by_lstm(callbacks):
    """An LSTM sees and predicts prices of about 1500."""
    return _stock(callbacks, False)


@program()
def share_price_by_lstm_repaired(callbacks):
    """Prices are standardized before they are cut into windows."""
    return _stock(callbacks, True)


def _flat(callbacks, rent_scale):
    """Is it let, and for how much: two heads on one trunk."""
    random = np.random.default_rng(4)
    x = random.normal(size=(512, 6)).astype("float32")
    let = (x[:, 0] * x[:, 1] > 0).astype("float32")
    rent = (x[:, 2] + 0.5 * x[:, 3]) * rent_scale
    inputs = keras.Input((6,))
    hidden = layers.Dense(32, activation="relu")(inputs)
    heads = {
        "let": layers.Dense(1, activation="sigmoid", name="let")(hidden),
        "rent": layers.Dense(1, name="rent")(hidden),
    }
    model = keras.Model(inputs, heads)
    losses = {"let": "binary_crossentropy", "rent": "mse"}
    model.compile(keras.optimizers.Adam(0.01), losses)
    y = {"let": let, "rent": rent}
    model.fit(x, y, epochs=20, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("unnormalized_target", "slow_learning")
def rent_drowns_the_other_head(callbacks):
    """Of two losses one is in the millions, for its target is in the thousands."""
    return _flat(callbacks, 3000.0)


@program()
def rent_drowns_the_other_head_repaired(callbacks):
    """Both targets have standard deviation 1."""
    return _flat(callbacks, 1.0)


def _cubes(callbacks, scale):
    x = np.random.uniform(-10, 10, (300, 1)).astype("float32")
    y = x**3 / scale
    model = keras.Sequential()
    model.add(layers.Dense(40, activation="relu"))
    model.add(layers.Dense(40, activation="relu"))
    model.add(layers.Dense(1))
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.02
    model.fit(x / 10, y, epochs=40, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program(
    "unnormalized_target", "exploding_gradient", "learning_rate_too_high", "loss_nan"
)
def cubes_up_to_1000(callbacks):
    """The cube of up to 10, by plain descent."""
    return _cubes(callbacks, 1.0)


@program()
def cubes_up_to_1000_repaired(callbacks):
    """The cubes are divided by 400."""
    return _cubes(callbacks, 400.0)
