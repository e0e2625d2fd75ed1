"""Initial weights from which training cannot escape."""

import keras
import numpy as np
from keras import layers

from . import digits, program


def _digit_net(callbacks, kernel, bias="zeros", depth=2, activation="relu"):
    x, y = digits(800)
    x = x.reshape(-1, 784) / 255
    model = keras.Sequential([keras.Input((784,))])
    for _ in range(depth):
        model.add(layers.Dense(32, activation, True, kernel, bias))
    model.add(layers.Dense(10, "softmax", True, kernel))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=32, callbacks=callbacks, verbose=0)
    return model


@program("bad_initialization")
def kernels_of_zeros(callbacks):
    """All kernels are zero: no gradient reaches them."""
    return _digit_net(callbacks, "zeros")


@program("bad_initialization", "vanishing_gradient")
def kernels_next_to_zero(callbacks):
    """Kernels with standard deviation 0.001 in five layers pass nothing on."""
    tiny = keras.initializers.RandomNormal(stddev=0.001, seed=1)
    return _digit_net(callbacks, tiny, depth=5)


@program("bad_initialization", "saturated_activation", "learning_rate_too_high")
def kernels_far_too_large(callbacks):
    """Kernels with standard deviation 3 put every tanh where it is flat."""
    large = keras.initializers.RandomNormal(stddev=3.0, seed=1)
    return _digit_net(callbacks, large, depth=3, activation="tanh")


@program("bad_initialization", "dead_relu")
def biases_of_minus_five(callbacks):
    """Biases of -5 keep every ReLU at zero."""
    return _digit_net(callbacks, "glorot_uniform", keras.initializers.Constant(-5))


@program()
def biases_of_minus_five_repaired(callbacks):
    """Biases of zero, and the kernels of Keras."""
    return _digit_net(callbacks, "glorot_uniform")


def _disc(callbacks, initializer, units=24):
    x = np.random.default_rng(14).uniform(-2, 2, (400, 2))
    y = ((x**2).sum(axis=1) < 2.2).astype(int)
    model = keras.Sequential()
    model.add(layers.Dense(units, "tanh", kernel_initializer=initializer))
    model.add(layers.Dense(units, "tanh", kernel_initializer=initializer))
    model.add(layers.Dense(1, "sigmoid", kernel_initializer=initializer))
    adam = keras.optimizers.Adam(0.01)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, batch_size=20, callbacks=callbacks, verbose=0)
    return model


@program("bad_initialization")
def kernels_of_a_constant(callbacks):
    """Every kernel is 0.1 throughout: all units of a layer stay the same."""
    return _disc(callbacks, keras.initializers.Constant(0.1))


@program("bad_initialization", "saturated_activation")
def kernels_of_ones(callbacks):
    """Every kernel is one throughout."""
    return _disc(callbacks, "ones")


@program()
def kernels_of_ones_repaired(callbacks):
    """The kernels that Keras takes by default."""
    return _disc(callbacks, "glorot_uniform")


@program("bad_initialization", "exploding_gradient", "slow_learning")
def positive_kernels(callbacks):
    """Kernels between 0 and 1, never negative, in four wide layers."""
    return _wine(callbacks, keras.initializers.RandomUniform(0, 1, seed=2))


@program()
def positive_kernels_repaired(callbacks):
    """Kernels with He initialization."""
    return _wine(callbacks, "he_normal")


def _wine(callbacks, initializer):
    random = np.random.default_rng(15)
    x = random.normal(size=(600, 11)).astype("float32")
    y = (x[:, 0] - np.maximum(x[:, 1], 0)).reshape(-1, 1)
    inputs = keras.Input((11,))
    hidden = inputs
    for _ in range(3):
        hidden = layers.Dense(64, "relu", kernel_initializer=initializer)(hidden)
    outputs = layers.Dense(1, kernel_initializer=initializer)(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.003), "mse")
    model.fit(x, y, epochs=14, validation_split=0.1, callbacks=callbacks, verbose=0)
    return model


@program("bad_initialization", "not_learning")
def weights_set_to_zero(callbacks):
    """Weights are "loaded" from an array of zeros before training."""
    x = np.linspace(-1, 1, 64).reshape(-1, 1)
    y = np.cos(3 * x)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(20, activation="relu")])
    model.add(layers.Dense(20, activation="relu"))
    model.add(layers.Dense(1))
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    model.compile(loss="mse", optimizer="adam")
    model.fit(x, y, epochs=40, batch_size=8, callbacks=callbacks, verbose=0)
    return model
