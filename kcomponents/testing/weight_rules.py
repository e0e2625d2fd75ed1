"""Checks of initializers, regularizers and constraints."""

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from kcomponents.testing.backends import compiled, gradient
from kcomponents.testing.common import (
    check,
    round_trip,
    same,
    sample,
    saved_and_loaded,
)

SHAPES = ((4,), (3, 4), (2, 3, 4), (2, 2, 3, 4), (2, 2, 2, 3, 4))


def check_initializer(
    initializer: keras.Initializer, *, shape: tuple[int, ...]
) -> None:
    """Check that an initializer behaves as every Keras initializer should.

    Args:
        initializer: Instance to check.
        shape: Tuple of ints, the shape of a weight that the initializer supports.

    Raises:
        AssertionError: If a check fails; the message says which one.

    Example:
        >>> import keras
        >>> from kcomponents.testing import check_initializer
        >>> check_initializer(keras.initializers.GlorotUniform(seed=1), shape=(3, 4))
    """
    copy = round_trip(initializer)
    for dtype in ("float32", "float16", "bfloat16"):
        values = initializer(shape, dtype)
        found = keras.backend.standardize_dtype(values.dtype)
        check(found == dtype, f"values are {found}, not {dtype}")
        check(tuple(values.shape) == tuple(shape), f"wrong shape {values.shape}")
        check(bool(ops.all(ops.isfinite(values))), f"not finite in {dtype}")
    same(copy(shape), initializer(shape), "a copy from the config draws differently")
    check(type(initializer.clone()) is type(initializer), "clone() changes the class")
    keras.Variable(initializer=initializer, shape=shape, dtype="float32")


def check_regularizer(
    regularizer: keras.Regularizer, *, shapes: Iterable[tuple[int, ...]] = SHAPES
) -> None:
    """Check that a regularizer behaves as every Keras regularizer should, and more.

    The loss it adds must be a finite scalar with finite gradients, also at zero. It
    must compile, and be kept in a `.keras` file.

    Args:
        regularizer: Instance to check.
        shapes: Shapes of weights to try. Defaults to one of each rank from 1 to 5.

    Raises:
        AssertionError: If a check fails; the message says which one.

    Example:
        >>> import keras
        >>> from kcomponents.testing import check_regularizer
        >>> check_regularizer(keras.regularizers.L2(0.1))
    """
    copy = round_trip(regularizer)
    for shape in shapes:
        x = sample(shape)
        loss = regularizer(ops.convert_to_tensor(x))
        check(tuple(loss.shape) == (), f"not a scalar for shape {shape}")
        check(np.isfinite(float(loss)), f"not finite for shape {shape}")
        same(copy(ops.convert_to_tensor(x)), loss, "a copy returns another value")
        same(compiled(regularizer)(x), loss, "differs when compiled", rtol=1e-4)
        for at in (x, 0 * x):
            [slope] = gradient(regularizer, at)
            check(np.isfinite(slope).all(), f"gradient is not finite for shape {shape}")
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, kernel_regularizer=regularizer)]
    )
    check(len(saved_and_loaded(model).losses) == 1, "not in the saved model")


def check_constraint(
    constraint: keras.constraints.Constraint,
    *,
    shapes: Iterable[tuple[int, ...]] = SHAPES,
) -> None:
    """Check that a constraint behaves as every Keras constraint should.

    Args:
        constraint: Instance to check.
        shapes: Shapes of weights to try. Defaults to one of each rank from 1 to 5.

    Raises:
        AssertionError: If a check fails; the message says which one.

    Example:
        >>> import keras
        >>> from kcomponents.testing import check_constraint
        >>> check_constraint(keras.constraints.NonNeg())
    """
    copy = round_trip(constraint)
    for shape in shapes:
        for x in (3 * sample(shape), np.zeros(shape, "float32")):
            once = constraint(ops.convert_to_tensor(x))
            check(tuple(once.shape) == shape, f"changes the shape {shape}")
            check(bool(ops.all(ops.isfinite(once))), f"not finite for shape {shape}")
            same(copy(ops.convert_to_tensor(x)), once, "a copy returns other values")
            same(compiled(constraint)(x), once, "differs when compiled", rtol=1e-4)
        half = constraint(ops.cast(sample(shape), "float16"))
        dtype = keras.backend.standardize_dtype(half.dtype)
        check(dtype == "float16", f"changes float16 to {dtype}")
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, kernel_constraint=constraint)]
    )
    model.compile("sgd", "mse")
    model.fit(sample((4, 3)), sample((4, 4)), verbose=0)
    loaded = saved_and_loaded(model).layers[0].kernel_constraint
    check(type(loaded) is type(constraint), "not in the saved model")
