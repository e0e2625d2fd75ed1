"""The optimizer, or what fit is told, is set so that steps go wrong."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _digit_net(callbacks, optimizer):
    x, y = digits(700)
    x = x.reshape(-1, 784) / 255
    model = keras.Sequential()
    model.add(keras.Input((784,)))
    model.add(layers.Dense(48, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=12, batch_size=35, callbacks=callbacks, verbose=0)
    return model


@program("wrong_optimizer_setting", "learning_rate_too_low", "slow_learning")
def adadelta_as_it_comes(callbacks):
    """Adadelta, whose default rate in Keras is a thousandth of the paper's."""
    return _digit_net(callbacks, "adadelta")


@program()
def adadelta_as_it_comes_repaired(callbacks):
    """Adadelta with a learning rate of 1."""
    return _digit_net(callbacks, keras.optimizers.Adadelta(1.0))


@program("wrong_optimizer_setting", "learning_rate_too_low", "slow_learning")
def epsilon_of_a_thousand(callbacks):
    """Adam with an epsilon of 1000: all steps are next to nothing."""
    return _digit_net(callbacks, keras.optimizers.Adam(0.003, epsilon=1e3))


@program("wrong_optimizer_setting", "learning_rate_too_low", "slow_learning")
def gradients_clipped_away(callbacks):
    """Each gradient is clipped at a norm of 0.0001, in plain descent."""
    return _digit_net(callbacks, keras.optimizers.SGD(0.1, clipnorm=1e-4))


@program()
def gradients_clipped_away_repaired(callbacks):
    """Clipped at 1."""
    return _digit_net(callbacks, keras.optimizers.SGD(0.1, clipnorm=1.0))


@program("wrong_optimizer_setting", "not_learning", "slow_learning")
def gradients_collected_forever(callbacks):
    """Gradients of 1000 steps are collected before one step, in a short training."""
    adam = keras.optimizers.Adam(0.003, gradient_accumulation_steps=1000)
    return _digit_net(callbacks, adam)


@program()
def gradients_collected_forever_repaired(callbacks):
    """Gradients of two steps are collected."""
    adam = keras.optimizers.Adam(0.005, gradient_accumulation_steps=2)
    return _digit_net(callbacks, adam)


def _tide(callbacks, optimizer):
    x = np.random.default_rng(61).uniform(-2, 2, (400, 2))
    y = np.sin(x[:, :1] * 2) + x[:, 1:]
    inputs = keras.Input((2,))
    hidden = layers.Dense(32, activation="tanh")(inputs)
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile(optimizer, loss="mse")
    model.fit(x, y, epochs=25, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program(
    "wrong_optimizer_setting",
    "oscillating_loss",
    "learning_rate_too_high",
    "exploding_gradient",
)
def momentum_of_a_thousand_steps(callbacks):
    """A momentum of 0.999: the steps of a thousand batches add up."""
    return _tide(callbacks, keras.optimizers.SGD(0.05, momentum=0.999))


@program()
def momentum_of_a_thousand_steps_repaired(callbacks):
    """A momentum of 0.9."""
    return _tide(callbacks, keras.optimizers.SGD(0.05, momentum=0.9))


@program("wrong_optimizer_setting", "oscillating_loss", "learning_rate_too_high")
def betas_exchanged(callbacks):
    """The two betas of Adam are exchanged: 0.999 and 0.9."""
    return _tide(callbacks, keras.optimizers.Adam(0.02, beta_1=0.999, beta_2=0.9))


@program()
def betas_exchanged_repaired(callbacks):
    """The betas are 0.9 and 0.999."""
    return _tide(callbacks, keras.optimizers.Adam(0.02))


@program("wrong_optimizer_setting", "over_regularized")
def decay_in_plain_descent(callbacks):
    """SGD with a weight decay of 3, copied from another framework."""
    return _tide(callbacks, keras.optimizers.SGD(0.1, weight_decay=3.0))


@program(
    "wrong_optimizer_setting",
    "learning_rate_too_high",
    "oscillating_loss",
    "exploding_gradient",
)
def schedule_grows(callbacks):
    """The learning rate should decay, but grows by a factor of 1.1 every other step."""
    grow = keras.optimizers.schedules.ExponentialDecay(0.001, 2, 1.1)
    return _tide(callbacks, keras.optimizers.RMSprop(grow))


@program()
def schedule_grows_repaired(callbacks):
    """It falls by a tenth every hundred steps."""
    fall = keras.optimizers.schedules.ExponentialDecay(0.01, 100, 0.9)
    return _tide(callbacks, keras.optimizers.RMSprop(fall))
