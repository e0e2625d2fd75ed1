"""The promises of a callback that watches and never changes what is trained."""

import copy

import keras
import numpy as np

from kcomponents.testing.common import promise, sample


class _Interrupted(Exception):
    """Raised in the middle of training by the check itself."""


class _Interrupter(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise _Interrupted


def check_callback(make_callback, *, monitored=True):
    """Check that a callback leaves training as it is without it.

    Equal weights, optimizer state and number of variables; one instance serves several
    fits; a deep copy works; an exception in the middle leaves the model trainable.

    Args:
        make_callback: Callable without arguments that returns a new callback.
        monitored: Bool, whether training must be untouched. Set it to `False` for a
            callback that stops training or changes weights. Defaults to `True`.

    Raises:
        AssertionError: Where a promise is broken, saying which.

    Example:
        >>> from kcomponents.testing import check_callback
        >>> check_callback(keras.callbacks.TerminateOnNaN)
    """
    plain, watched = _model(), _model()
    _fit(plain)
    callback = copy.deepcopy(make_callback())
    _fit(watched, callback)
    if monitored:
        _compare(plain, watched)
    _fit(watched, callback)
    _check_exception(make_callback(), plain)


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
        promise(counts[0] == counts[1], f"{part}: {counts[0]} became {counts[1]}")
        for a, b in zip(expected, found, strict=True):
            near = np.allclose(a.numpy(), b.numpy(), rtol=0, atol=1e-6)
            promise(near, f"{part}: {a.path} differs from the run without the callback")


def _check_exception(callback, plain):
    model = _model()
    try:
        _fit(model, callback, _Interrupter())
    except _Interrupted:
        pass
    _fit(model)
    for found, expected in ((model, plain), (model.optimizer, plain.optimizer)):
        counts = len(expected.variables), len(found.variables)
        promise(counts[0] == counts[1], f"an exception left variables behind: {counts}")
