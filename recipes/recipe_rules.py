"""Update rules of optimizers written out, which equal those of Keras.

Each takes the weights, their gradient, a dict in which it keeps what it remembers, and
the learning rate; it returns the new weights.
"""

import functools

import keras
import numpy as np
from keras import optimizers


def sgd(w, grad, state, rate):
    """Step down the gradient."""
    return w - rate * grad


def momentum(w, grad, state, rate, share=0.9):
    """Keep nine tenths of the last step."""
    state["step"] = share * state.get("step", 0) - rate * grad
    return w + state["step"]


def adagrad(w, grad, state, rate):
    """Divide by the root of the sum of all squares there were."""
    state["sum"] = state.get("sum", 0) + grad**2
    return w - rate * grad / np.sqrt(state["sum"] + 1e-7)


def rmsprop(w, grad, state, rate, rho=0.9):
    """Divide by the root of the running mean of squares."""
    state["mean"] = rho * state.get("mean", 0) + (1 - rho) * grad**2
    return w - rate * grad / np.sqrt(state["mean"] + 1e-7)


def adam(w, grad, state, rate, beta_1=0.9, beta_2=0.999):
    """Divide the running mean by the root of that of squares, both unbiased."""
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = beta_1 * state.get("m", 0) + (1 - beta_1) * grad
    v = state["v"] = beta_2 * state.get("v", 0) + (1 - beta_2) * grad**2
    # In float32, as Keras has it: 1 - 0.999 is 5e-5 of itself off there.
    left_m, left_v = 1 - np.float32([beta_1, beta_2]) ** t
    return w - rate * np.sqrt(left_v) / left_m * m / (np.sqrt(v) + 1e-7)


# Each rule, and what makes of a learning rate the optimizer of Keras that it equals.
RULES = {
    "SGD": (sgd, optimizers.SGD),
    "momentum": (momentum, functools.partial(optimizers.SGD, momentum=0.9)),
    "Adagrad": (
        adagrad,
        functools.partial(optimizers.Adagrad, initial_accumulator_value=0.0),
    ),
    "RMSProp": (rmsprop, optimizers.RMSprop),
    "Adam": (adam, optimizers.Adam),
}


def paths(name, rate, start, steps, gradient):
    """Return the path of a rule from its start, and Keras's.

    Args:
        name: String, one of `RULES`.
        rate: Float, the learning rate.
        start: Float32 array, the first weights.
        steps: Integer, how many.
        gradient: Function of weights, returns their gradient.

    Returns:
        Two arrays `(steps + 1, *start.shape)`.
    """
    rule, made = RULES[name]
    own, theirs, state = [start], [start], {}
    optimizer, variable = made(rate), keras.Variable(start)
    for _ in range(steps):
        own.append(rule(own[-1], gradient(own[-1]), state, rate))
        grad = keras.ops.convert_to_tensor(gradient(theirs[-1]))
        optimizer.apply([grad], [variable])
        theirs.append(np.array(keras.ops.convert_to_numpy(variable)))
    return np.array(own), np.array(theirs)
