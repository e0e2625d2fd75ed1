"""Iterations: how many steps an optimizer has done."""

import keras

from kcomponents import _backends


def iterations_of(model):
    """Return the steps of a model's optimizer so far, 0 without one."""
    return int(keras.ops.convert_to_numpy(iterations_there(model)))


def iterations_there(model):
    """Return the same, left on the device."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 0
    [steps] = _backends.snapshot([optimizer.iterations])
    return steps
