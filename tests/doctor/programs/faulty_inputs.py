"""The inputs have a scale, or values, that prevent training."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _raw_digits(callbacks, scale):
    x, y = digits(1000)
    x, y = x.reshape(-1, 784) / scale, keras.utils.to_categorical(y)
    model = keras.models.Sequential()
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    sgd = keras.optimizers.SGD(learning_rate=0.1)
    model.compile(sgd, "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        y,
        batch_size=32,
        epochs=10,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@program(
    "unnormalized_input", "exploding_gradient", "dead_relu", "learning_rate_too_high"
)
def digits_up_to_255(callbacks):
    """The pixels were not divided by 255."""
    return _raw_digits(callbacks, 1.0)


@program("unnormalized_input", "slow_learning", "learning_rate_too_low")
def digits_divided_twice(callbacks):
    """The pixels were divided by 255 twice, and are next to zero."""
    return _raw_digits(callbacks, 255.0**2)


@program()
def digits_up_to_255_repaired(callbacks):
    """The pixels were divided by 255 once."""
    return _raw_digits(callbacks, 255.0)


def _pima(callbacks, standardize):
    """Measurements in their own units, from 0.1 to 800."""
    random = np.random.default_rng(21)
    glucose = random.normal(121, 32, 700)
    insulin = np.maximum(random.normal(80, 115, 700), 0)
    pedigree = random.gamma(2, 0.24, 700)
    mass = random.normal(32, 7.9, 700)
    risk = (glucose - 121) / 32 + (mass - 32) / 10 + 2 * (pedigree - 0.48)
    y = (risk + random.normal(0, 0.3, 700) > 0.5).astype(int)
    x = np.stack([glucose, insulin, pedigree, mass], axis=1)
    if standardize:
        x = (x - x.mean(axis=0)) / x.std(axis=0)
    model = keras.Sequential([layers.Dense(12, activation="sigmoid")])
    model.add(layers.Dense(8, activation="sigmoid"))
    model.add(layers.Dense(1, activation="sigmoid"))
    adam = keras.optimizers.Adam(0.02)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=12, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("unnormalized_input", "saturated_activation")
def pima_in_its_own_units(callbacks):
    """Glucose and insulin are in the hundreds, before layers of sigmoids."""
    return _pima(callbacks, False)


@program()
def pima_in_its_own_units_repaired(callbacks):
    """Every column has mean 0 and standard deviation 1."""
    return _pima(callbacks, True)


def _years(callbacks, prepare):
    year = np.arange(1950, 2020, 0.2).reshape(-1, 1)
    temperature = ((year - 1985) / 35) ** 2 + 0.05 * np.sin(year / 5)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(32, activation="tanh")])
    model.add(layers.Dense(32, activation="tanh"))
    model.add(layers.Dense(1))
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(0.01))
    x = prepare(year)
    model.fit(x, temperature, epochs=30, callbacks=callbacks, verbose=0)
    return model


@program("unnormalized_input", "saturated_activation")
def temperature_by_year(callbacks):
    """The input is the year, near 2000: all rows look the same to the model."""
    return _years(callbacks, lambda year: year)


@program()
def temperature_by_year_repaired(callbacks):
    """Decades before and after 1985."""
    return _years(callbacks, lambda year: (year - 1985) / 10)


class Boats(keras.utils.PyDataset):
    """Passengers in batches: age, fare, and the number of the ticket."""

    def __init__(self, ticket_scale):
        super().__init__()
        random = np.random.default_rng(17)
        ticket = random.integers(1, 400_000, 640) / ticket_scale
        self.x = np.stack([random.normal(size=640), random.normal(size=640)], axis=1)
        self.y = (self.x[:, 0] * self.x[:, 1] > 0).astype("float32")
        self.x = np.concatenate([self.x, ticket[:, None]], axis=1)

    def __len__(self):
        return 20

    def __getitem__(self, index):
        rows = slice(index * 32, index * 32 + 32)
        return self.x[rows], self.y[rows]


def _titanic(callbacks, ticket_scale):
    inputs = keras.Input((3,))
    hidden = layers.Dense(24, activation="relu")(inputs)
    hidden = layers.Dense(12, activation="relu")(hidden)
    outputs = layers.Dense(1, activation="sigmoid")(hidden)
    model = keras.Model(inputs, outputs)
    adam = keras.optimizers.Adam(0.01)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    model.fit(Boats(ticket_scale), epochs=15, callbacks=callbacks, verbose=0)
    return model


@program("unnormalized_input", "exploding_gradient", "dead_relu")
def titanic_with_ticket_numbers(callbacks):
    """A column of numbers of tickets, up to 400,000, drowns all others."""
    return _titanic(callbacks, 1)


@program()
def titanic_with_ticket_numbers_repaired(callbacks):
    """That column is scaled down to 1."""
    return _titanic(callbacks, 400_000)


@program("loss_nan")
def logarithm_of_zero(callbacks):
    """A logarithm of counts, of which some are 0, is minus infinity in the inputs."""
    counts = np.random.default_rng(0).poisson(3.0, (400, 5)).astype("float32")
    y = counts.sum(axis=1) / 10
    with np.errstate(divide="ignore"):
        x = np.log(counts)
    model = keras.Sequential([layers.Dense(8, activation="tanh"), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, epochs=8, callbacks=callbacks, verbose=0)
    return model
