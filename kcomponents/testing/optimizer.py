"""Check that an optimizer behaves as Keras expects."""

import copy
from collections.abc import Callable

import keras
import numpy as np

from kcomponents.testing.backends import compile_modes
from kcomponents.testing.common import (
    check,
    check_trained,
    round_trip,
    same,
    sample,
    saved_and_loaded,
)


def check_optimizer(
    make_optimizer: Callable[..., keras.optimizers.Optimizer],
) -> None:
    """Check that an optimizer behaves as every Keras optimizer should.

    Checks the round trip through the config, `fit` with and without compilation, mixed
    precision, gradient accumulation, and that training continues the same after the
    model was saved and loaded.

    Args:
        make_optimizer: Callable that returns a new optimizer; it must pass keyword
            arguments on to it.

    Raises:
        AssertionError: If a check fails; the message says which one.

    Example:
        >>> import keras
        >>> from kcomponents.testing import check_optimizer
        >>> check_optimizer(keras.optimizers.Adam)
    """
    round_trip(make_optimizer())
    copy.deepcopy(make_optimizer())
    for jit_compile in compile_modes():
        for policy in ("float32", "mixed_float16"):
            _fit(_model(make_optimizer(), policy, jit_compile))
    _fit(_model(make_optimizer(gradient_accumulation_steps=2)))
    _check_resumes(make_optimizer())


def _model(optimizer, policy="float32", jit_compile="auto"):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, "tanh", dtype=policy), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, "mse", jit_compile=jit_compile)
    return model


def _fit(model):
    before = model.get_weights()
    x, y = sample((8, 3)), sample((8, 1), seed=1)
    options = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    loss = model.fit(x, y, **options).history["loss"]
    check(np.isfinite(loss).all(), f"the loss is {loss}")
    check_trained(model, before, "fit changed no weight")


def _check_resumes(optimizer):
    model = _model(optimizer)
    _fit(model)
    loaded = saved_and_loaded(model)
    check(
        type(loaded.optimizer) is type(optimizer),
        "the loaded optimizer has another class",
    )
    for expected, found in zip(
        optimizer.variables, loaded.optimizer.variables, strict=True
    ):
        same(found, expected, f"{expected.path} was not restored")
    _fit(model)
    _fit(loaded)
    for expected, found in zip(model.weights, loaded.weights, strict=True):
        same(found, expected, f"{expected.path} trains differently after loading")
