"""The promises of what a weight is given: initializers, regularizers, constraints."""

import keras
import numpy as np
from keras import ops

from kcomponents.testing.backends import compiled, gradient
from kcomponents.testing.common import (
    promise,
    round_trip,
    same,
    sample,
    saved_and_loaded,
)

SHAPES = ((4,), (3, 4), (2, 3, 4), (2, 2, 3, 4), (2, 2, 2, 3, 4))


def check_initializer(initializer, *, shape):
    """Check that an initializer does what every Keras initializer does.

    Args:
        initializer: Instance to check.
        shape: Tuple of ints, a weight's shape that suits it.

    Raises:
        AssertionError: Where a promise is broken, saying which.

    Example:
        >>> from kcomponents.testing import check_initializer
        >>> check_initializer(keras.initializers.GlorotUniform(seed=1), shape=(3, 4))
    """
    copy = round_trip(initializer)
    for dtype in ("float32", "float16", "bfloat16"):
        values = initializer(shape, dtype)
        given = keras.backend.standardize_dtype(values.dtype)
        promise(given == dtype, f"asked for {dtype}, got {given}")
        promise(tuple(values.shape) == tuple(shape), f"wrong shape {values.shape}")
        promise(bool(ops.all(ops.isfinite(values))), f"values not finite in {dtype}")
    same(copy(shape), initializer(shape), "a copy from the config draws differently")
    promise(type(initializer.clone()) is type(initializer), "clone() changes the class")
    keras.Variable(initializer=initializer, shape=shape, dtype="float32")


def check_regularizer(regularizer, *, shapes=SHAPES):
    """Check that a regularizer does what every Keras regularizer does, and more.

    The penalty is a finite scalar, summed in float32 or better, with finite gradients
    also at zero; it compiles, and survives a `.keras` file.

    Args:
        regularizer: Instance to check.
        shapes: Shapes of weights to try. Defaults to one of each rank from 1 to 5.

    Raises:
        AssertionError: Where a promise is broken, saying which.

    Example:
        >>> from kcomponents.testing import check_regularizer
        >>> check_regularizer(keras.regularizers.L2(0.1))
    """
    copy = round_trip(regularizer)
    for shape in shapes:
        x = sample(shape)
        penalty = regularizer(ops.convert_to_tensor(x))
        promise(tuple(penalty.shape) == (), f"not a scalar for shape {shape}")
        promise(np.isfinite(float(penalty)), f"not finite for shape {shape}")
        same(copy(ops.convert_to_tensor(x)), penalty, "a copy answers differently")
        same(compiled(regularizer)(x), penalty, "differs when compiled", rtol=1e-4)
        for at in (x, 0 * x):
            [slope] = gradient(regularizer, at)
            promise(np.isfinite(slope).all(), f"gradient not finite for shape {shape}")
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, kernel_regularizer=regularizer)]
    )
    promise(len(saved_and_loaded(model).losses) == 1, "lost by saving the model")


def check_constraint(constraint, *, shapes=SHAPES):
    """Check that a constraint does what every Keras constraint does.

    Args:
        constraint: Instance to check.
        shapes: Shapes of weights to try. Defaults to one of each rank from 1 to 5.

    Raises:
        AssertionError: Where a promise is broken, saying which.

    Example:
        >>> from kcomponents.testing import check_constraint
        >>> check_constraint(keras.constraints.NonNeg())
    """
    copy = round_trip(constraint)
    for shape in shapes:
        for x in (3 * sample(shape), np.zeros(shape, "float32")):
            once = constraint(ops.convert_to_tensor(x))
            promise(tuple(once.shape) == shape, f"changes the shape {shape}")
            promise(bool(ops.all(ops.isfinite(once))), f"not finite for shape {shape}")
            same(copy(ops.convert_to_tensor(x)), once, "a copy answers differently")
            same(compiled(constraint)(x), once, "differs when compiled", rtol=1e-4)
        half = constraint(ops.cast(sample(shape), "float16"))
        dtype = keras.backend.standardize_dtype(half.dtype)
        promise(dtype == "float16", f"turns float16 into {dtype}")
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, kernel_constraint=constraint)]
    )
    model.compile("sgd", "mse")
    model.fit(sample((4, 3)), sample((4, 4)), verbose=0)
    loaded = saved_and_loaded(model).layers[0].kernel_constraint
    promise(type(loaded) is type(constraint), "lost by saving the model")
