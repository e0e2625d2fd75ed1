"""What the checks of several kinds share."""

import json
import os
import tempfile

import keras
import numpy as np
from keras import ops


def promise(holds, message):
    """Raise AssertionError with `message` unless `holds` (also under `python -O`)."""
    if not holds:
        raise AssertionError(message)


def round_trip(thing):
    """Return a copy made from the thing's config, once through JSON, as saving does."""
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(thing)))
    copy = keras.saving.deserialize_keras_object(config)
    promise(type(copy) is type(thing), f"{thing!r} came back as {copy!r}")
    promise(
        copy.get_config() == thing.get_config(),
        f"the config changed on the way: {thing.get_config()} → {copy.get_config()}",
    )
    return copy


def saved_and_loaded(model):
    """Return the model written to a `.keras` file and read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        return keras.saving.load_model(path)


def same(actual, desired, what, rtol=1e-5, atol=1e-6):
    """Assert that two tensors hold equal numbers."""
    actual, desired = ops.convert_to_numpy(actual), ops.convert_to_numpy(desired)
    np.testing.assert_allclose(actual, desired, rtol=rtol, atol=atol, err_msg=what)


def sample(shape, seed=0, dtype="float32"):
    """Return normal noise, the same on every backend."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)
