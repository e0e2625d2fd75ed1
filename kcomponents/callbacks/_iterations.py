"""Iterations: how many steps an optimizer has done."""

import keras

from kcomponents import _backends


def iterations_of(model):
    """Return how many steps a model's optimizer has done, 0 without an optimizer."""
    return int(keras.ops.convert_to_numpy(iterations_on_device(model)))


def iterations_on_device(model):
    """Return the same number as a tensor, without waiting for the device."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 0
    [steps] = _backends.snapshot([optimizer.iterations])
    return steps
