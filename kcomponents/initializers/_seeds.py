"""Copies of an initializer that draw apart, for a weight made of several parts."""

import keras
import numpy as np

# Each part has a copy of the initializer, so that their number must be bearable.
MOST_PARTS = 10_000


def independent_copies(initializer, count):
    """Return `count` copies of an initializer, each with a seed of its own.

    A Keras initializer with an int seed or none returns the same values on every call.
    The seed of a copy follows from the seed given and its place, so that a config
    repeats it; without one, each copy draws its own. A `SeedGenerator` moves on by
    itself and stays shared, as does a plain function.
    """
    seed = getattr(initializer, "seed", None)
    moves_on = isinstance(seed, keras.random.SeedGenerator)
    if moves_on or not hasattr(initializer, "get_config"):
        return [initializer] * count
    config = initializer.get_config()
    if not _has_seed(config):
        # Nothing is drawn. Not made anew: Keras's `Identity` leaves out its gain.
        return [initializer] * count
    make = type(initializer).from_config
    return [make(_reseeded(config, place)) for place in range(count)]


def _has_seed(config):
    nested = [value for value in config.values() if isinstance(value, dict)]
    return "seed" in config or any(map(_has_seed, nested))


def _reseeded(config, place):
    """Return the config with each int seed, also of nested parts, derived anew."""
    if not isinstance(config, dict):
        return config
    return {
        name: _derived(value, place)
        if name == "seed" and isinstance(value, int)
        else _reseeded(value, place)
        for name, value in config.items()
    }


def _derived(seed, place):
    # Not `seed + place`: layers seeded 1 and 2 would share all parts but one.
    mixed = np.random.SeedSequence([seed % 2**64, place]).generate_state(1)
    return int(mixed[0] >> 1)
