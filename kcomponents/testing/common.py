"""Helpers of several checks: assertions, copies of components, weights and data."""

import json
import os
import tempfile

import keras
import numpy as np
from keras import ops


def check(condition, message):
    """Raise an AssertionError unless the condition holds, also under `python -O`."""
    if not condition:
        raise AssertionError(message)


def round_trip(thing):
    """Return a copy made from the config, through JSON as in a saved file."""
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(thing)))
    copy = keras.saving.deserialize_keras_object(config)
    check(type(copy) is type(thing), f"{thing!r} was deserialized as {copy!r}")
    check(
        copy.get_config() == thing.get_config(),
        f"the config of the copy differs: {thing.get_config()} → {copy.get_config()}",
    )
    return copy


def saved_and_loaded(model):
    """Return the model after saving and loading it as a `.keras` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        return keras.saving.load_model(path)


def same(actual, desired, what, rtol=1e-5, atol=1e-6):
    """Assert that two tensors are equal within the tolerances."""
    actual, desired = ops.convert_to_numpy(actual), ops.convert_to_numpy(desired)
    np.testing.assert_allclose(actual, desired, rtol=rtol, atol=atol, err_msg=what)


def check_trained(model, before, message):
    """Raise an AssertionError if training changed none of the weights `before`."""
    pairs = zip(before, model.get_weights(), strict=True)
    check(any((old != new).any() for old, new in pairs), message)


def sample(shape, seed=0, dtype="float32"):
    """Return normal noise that is the same on every backend."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)
