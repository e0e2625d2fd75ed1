"""rrelu: a rectifier with a random negative slope."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kcomponents._check import fail, interval


def rrelu(
    x: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    *,
    training: bool = False,
    seed: keras.random.SeedGenerator | None = None,
    noise_shape: Sequence[int | None] | None = None,
) -> Any:
    """Apply a leaky ReLU whose negative slope is random during training.

    `y = x` where `x > 0`, else `slope * x`, with `slope ~ Uniform(lower, upper)` during
    training and `slope = (lower + upper) / 2` otherwise.

    Args:
        x: Tensor.
        lower: Float of at least 0, the smallest slope. Defaults to `1 / 8`.
        upper: Float of at least `lower`, the largest slope. Defaults to `1 / 3`.
        training: Bool, whether to draw random slopes. Defaults to `False`.
        seed: A `keras.random.SeedGenerator`, or `None` for Keras's global generator,
            which does not work in compiled JAX functions. An int is an error: it would
            give the same slopes at every call. Defaults to `None`.
        noise_shape: Sequence, the shape of the slopes: 1 for an axis that shares one
            slope, `None` for the size of `x`. Defaults to `None`: one slope per entry.

    Returns:
        Tensor with the shape of `x`.

    Raises:
        ValueError: If `0 <= lower <= upper` does not hold, or if `seed` is an int.

    Example:
        >>> from kcomponents.activations import rrelu
        >>> y = rrelu(keras.ops.array([-4.0, 4.0]), 0.25, 0.75)
        >>> keras.ops.convert_to_numpy(y).tolist()
        [-2.0, 4.0]

    Reference: Xu, Wang, Chen, Li, "Empirical Evaluation of Rectified Activations in
        Convolutional Network", 2015, https://arxiv.org/abs/1505.00853
    """
    lower, upper = interval(lower, upper)
    if not (seed is None or isinstance(seed, keras.random.SeedGenerator)):
        rule = "`seed` must be a `keras.random.SeedGenerator` or None."
        fail(rule, seed=seed)
    dtype = keras.backend.standardize_dtype(getattr(x, "dtype", None))
    if not keras.backend.is_float_dtype(dtype):
        dtype = keras.config.floatx()
    x = ops.cast(x, dtype)
    if not training:
        return ops.leaky_relu(x, (lower + upper) / 2)
    sizes = ops.shape(x)
    wanted = noise_shape or (None,) * len(sizes)
    shape = [s if n is None else n for n, s in zip(wanted, sizes, strict=True)]
    # Draw in float32: narrower types have too few values, which shifts the mean.
    wide = "float64" if dtype == "float64" else "float32"
    slope = ops.cast(keras.random.uniform(shape, lower, upper, wide, seed), dtype)
    return x * ops.where(x > 0, 1, slope)
