"""Copies of an initializer draw apart, and a config repeats them."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import Blocked
from kcomponents.initializers.blocks import independent_copies


def draws(initializer, count=3):
    copies = independent_copies(initializer, count)
    return [ops.convert_to_numpy(copy((4, 4))) for copy in copies]


def distinct(arrays):
    return len({array.tobytes() for array in arrays}) == len(arrays)


@pytest.mark.parametrize("seed", [None, 0, 3, -1, keras.random.SeedGenerator(1)])
def test_copies_draw_apart(seed):
    assert distinct(draws(keras.initializers.GlorotUniform(seed=seed)))


def test_a_seed_repeats_the_copies_and_another_shares_none():
    first, again, other = (
        draws(keras.initializers.GlorotUniform(seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert distinct([*first, *other])


def test_the_parts_of_parts_draw_apart():
    inner = Blocked(keras.initializers.GlorotUniform(seed=1), 2)
    halves = [half for drawn in draws(inner) for half in np.split(drawn, 2, axis=1)]
    assert distinct(halves)


def test_a_generator_shared_by_two_weights_goes_on():
    generator = keras.random.SeedGenerator(1)
    one, two = (keras.initializers.GlorotUniform(seed=generator) for _ in range(2))
    assert distinct([*draws(one), *draws(two)])


def test_a_plain_function_is_taken_as_it_is():
    def ones(shape, dtype=None):
        return ops.ones(shape, dtype)

    assert independent_copies(ones, 2) == [ones, ones]


def test_what_draws_nothing_is_taken_as_it_is():
    identity = keras.initializers.Identity(2.0)
    assert independent_copies(identity, 2) == [identity, identity]
    nested = Blocked(identity, 2)
    assert independent_copies(nested, 2) == [nested, nested]
