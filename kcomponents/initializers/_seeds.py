"""Independent copies of an initializer, for a weight made of several parts."""

import keras
import numpy as np

# Each part has its own copy of the initializer, so the number of parts is limited.
MOST_PARTS = 10_000


def independent_copies(initializer, count):
    """Return `count` copies of an initializer, each with its own seed.

    A Keras initializer with an int seed, or without a seed, returns the same values at
    every call. The seed of each copy is derived from the given seed and the copy's
    index, so a config reproduces it; without a seed, each copy draws its own. An
    initializer with a `SeedGenerator`, or a plain function, draws anew at each call and
    is shared.
    """
    seed = getattr(initializer, "seed", None)
    draws_anew = isinstance(seed, keras.random.SeedGenerator)
    if draws_anew or not hasattr(initializer, "get_config"):
        return [initializer] * count
    config = initializer.get_config()
    if not _has_seed(config):
        # Nothing is drawn. No copies: the config of Keras's `Identity` lacks its gain.
        return [initializer] * count
    make = type(initializer).from_config
    return [make(_reseeded(config, place)) for place in range(count)]


def _has_seed(config):
    nested = [value for value in config.values() if isinstance(value, dict)]
    return "seed" in config or any(map(_has_seed, nested))


def _reseeded(config, place):
    """Return the config with new int seeds, also in nested configs."""
    if not isinstance(config, dict):
        return config
    return {
        name: _derived(value, place)
        if name == "seed" and isinstance(value, int)
        else _reseeded(value, place)
        for name, value in config.items()
    }


def _derived(seed, place):
    # Not `seed + place`: layers with seeds 1 and 2 would share all parts but one.
    mixed = np.random.SeedSequence([seed % 2**64, place]).generate_state(1)
    return int(mixed[0] >> 1)
