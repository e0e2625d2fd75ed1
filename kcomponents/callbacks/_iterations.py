"""Iterations: how many steps an optimizer has done."""

import keras


def iterations_of(model):
    """Return the steps of a model's optimizer so far, 0 without one."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 0
    return int(keras.ops.convert_to_numpy(optimizer.iterations))
