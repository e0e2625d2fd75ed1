"""The update rules that recipes have written out are those of Keras."""

import keras
import numpy as np
import pytest
from optimizers import RATES, RULES, STARTS, landscapes


@pytest.mark.parametrize("name", list(RATES))
def test_a_rule_written_out_is_that_of_keras(name):
    (rule, made), rate = RULES[name], RATES[name]
    optimizer = made(rate)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 2)).astype("float32")
    variable, state = keras.Variable(weights), {}
    for _ in range(20):
        # Sizes from a thousandth to a thousand, as on plateaus and on cliffs.
        size = 10.0 ** rng.uniform(-3, 3, (3, 2))
        grad = (size * rng.normal(size=(3, 2))).astype("float32")
        weights = rule(weights, grad, state, rate)
        optimizer.apply([keras.ops.convert_to_tensor(grad)], [variable])
        theirs = keras.ops.convert_to_numpy(variable)
        np.testing.assert_allclose(weights, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", list(STARTS))
def test_the_slopes_of_a_landscape_are_those_of_its_loss(name):
    x, y = np.random.default_rng(0).uniform(-5, 5, (2, 50))
    _, *slopes = landscapes(x, y)[name]
    for (dx, dy), slope in zip([(1e-5, 0), (0, 1e-5)], slopes, strict=True):
        above = landscapes(x + dx, y + dy)[name][0]
        below = landscapes(x - dx, y - dy)[name][0]
        np.testing.assert_allclose((above - below) / 2e-5, slope, atol=1e-5)


@pytest.mark.parametrize("name", list(STARTS))
def test_every_landscape_has_its_minimum_at_the_origin(name):
    grid = np.meshgrid(np.linspace(-6, 6, 241), np.linspace(-6, 6, 241))
    loss = landscapes(*grid)[name][0]
    least = landscapes(np.zeros(1), np.zeros(1))[name][0]
    assert abs(least[0]) < 1e-6 and loss.min() > -1e-6
