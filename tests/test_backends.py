"""The backends that the package knows, and those that it refuses."""

import importlib

import keras
import pytest

from kcomponents import _backends


@pytest.mark.parametrize("name", ["openvino", "numpy", "another"])
def test_other_backends_are_refused_by_name(name, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: name)
    rule = f"tensorflow, jax or torch.*KERAS_BACKEND.*Received: backend='{name}'"
    with pytest.raises(ImportError, match=rule):
        importlib.reload(_backends)
