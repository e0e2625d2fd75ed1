"""Check that a callback observes training without changing it."""

import copy
import functools
from collections.abc import Callable

import keras
import numpy as np

from kcomponents.testing.common import check, sample


def check_callback(
    make_callback: Callable[[], keras.callbacks.Callback], *, monitored: bool = True
) -> None:
    """Check that a callback does not affect training.

    The weights, the optimizer state and the number of variables must be the same as
    without the callback; one instance must work in several calls of `fit`; a deep copy
    must work; and after an exception the model must still be trainable.

    Args:
        make_callback: Callable without arguments that returns a new callback.
        monitored: Bool, whether training must not be affected. Set it to `False` for a
            callback that stops training or changes weights. Defaults to `True`.

    Raises:
        AssertionError: If a check fails; the message says which one.

    Example:
        >>> import keras
        >>> from kcomponents.testing import check_callback
        >>> check_callback(keras.callbacks.TerminateOnNaN)
    """
    plain, watched = _plain(keras.config.dtype_policy().name), _model()
    callback = copy.deepcopy(make_callback())
    _fit(watched, callback)
    if monitored:
        _compare(plain, watched)
    _fit(watched, callback)
    _check_exception(make_callback(), plain)


@functools.cache
def _plain(policy):
    """Return a model trained without the callback, the same for all callbacks."""
    model = _model()
    _fit(model)
    return model


def _model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, "relu"), keras.layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def _fit(model, *callbacks):
    x, y = sample((16, 3)), sample((16, 1), seed=1)
    keras.utils.set_random_seed(1)
    return model.fit(
        x,
        y,
        batch_size=4,
        epochs=2,
        verbose=0,
        validation_data=(x, y),
        callbacks=list(callbacks),
    )


def _compare(plain, watched):
    for part in ("variables", "optimizer.variables"):
        expected, found = plain, watched
        for name in part.split("."):
            expected, found = getattr(expected, name), getattr(found, name)
        counts = len(expected), len(found)
        check(counts[0] == counts[1], f"{part}: {counts[0]} became {counts[1]}")
        for a, b in zip(expected, found, strict=True):
            near = np.allclose(a.numpy(), b.numpy(), rtol=0, atol=1e-6)
            check(near, f"{part}: {a.path} differs from the run without the callback")


def _check_exception(callback, plain):
    model = _model()
    try:
        _fit(model, callback, _Interrupter())
    except _Interrupted:
        pass
    _fit(model)
    for found, expected in ((model, plain), (model.optimizer, plain.optimizer)):
        counts = len(expected.variables), len(found.variables)
        check(counts[0] == counts[1], f"an exception left variables behind: {counts}")


class _Interrupted(Exception):
    """Raised by the check in the middle of training."""


class _Interrupter(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise _Interrupted
