"""Train a model on one small batch, to test that it works."""

import keras
import numpy as np

from kcomponents._backends import carries_state
from kcomponents._check import fail

ROWS = 4
# Size of an axis that is `None`.
UNKNOWN = 8


def first_rows(data):
    """Return the first samples of arrays."""
    return keras.tree.map_structure(lambda array: np.asarray(array[:ROWS]), data)


def try_step(model, x, y):
    """Train a model on one batch, or only call it if it is not compiled."""
    if x is None:
        x = _inputs(model)
    if y is None and model.compiled:
        y = _targets(model, x)
    if y is None or not model.compiled:
        model(x, training=True)
        return
    # Compiling takes longer than one eager step, except where every eager operation is
    # compiled separately.
    model.run_eagerly = model.run_eagerly or not carries_state
    model.train_on_batch(x, y)


def _inputs(model):
    if not getattr(model, "inputs", None):
        rule = "The model's input shape is unknown. Pass `x`, or add a `keras.Input`."
        fail(rule, x=None)
    random = np.random.default_rng(0)

    def made(tensor):
        shape = [ROWS, *(size or UNKNOWN for size in tensor.shape[1:])]
        values = random.normal(size=shape)
        if not keras.backend.is_float_dtype(tensor.dtype):
            # As indices, zeros are within any vocabulary.
            values = np.zeros(shape)
        return values.astype(tensor.dtype)

    made = [made(tensor) for tensor in model.inputs]
    return made[0] if len(made) == 1 else made


def _targets(model, x):
    """Return targets that suit the loss, or None for several outputs."""
    predicted = getattr(model, "outputs", None) or keras.tree.flatten(model(x))
    if isinstance(model.loss, (list, tuple, dict)) or len(predicted) > 1:
        return None
    sizes = tuple(predicted[0].shape[1:])
    if None in sizes:
        sizes = tuple(model(x).shape[1:])
    shape = len(keras.tree.flatten(x)[0]), *sizes
    if _name(model.loss).startswith("sparse"):
        return np.zeros(shape[:-1], "int32")
    return np.zeros(shape, "float32")


def _name(loss):
    if isinstance(loss, keras.losses.Loss):
        return loss.name
    return loss if isinstance(loss, str) else getattr(loss, "__name__", "")
