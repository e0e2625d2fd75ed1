"""Tests stricter than life: seeds fixed, no state kept from one test to the next."""

import sys
import types

import keras
import pytest


def skip_if_backend(backend, reason):
    """Mark a test that does not hold on one backend."""
    return pytest.mark.skipif(keras.backend.backend() == backend, reason=reason)


# Some test modules of Keras import this mark from a `conftest` its wheel has not.
theirs = types.SimpleNamespace(skip_if_backend=skip_if_backend)
sys.modules.setdefault("conftest", theirs)


@pytest.fixture(autouse=True)
def fresh_state():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)
