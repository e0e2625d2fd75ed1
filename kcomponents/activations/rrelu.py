"""RReLU: a rectifier with a random negative slope."""

import keras
from keras import ops

from kcomponents._check import fail, interval


def rrelu(x, lower=1 / 8, upper=1 / 3, *, training=False, seed=None, noise_shape=None):
    """Rectify with a random negative slope in training, with its mean otherwise.

    `y = x` where `x > 0`, else `slope * x`, with `slope ~ Uniform(lower, upper)` in
    training and `slope = (lower + upper) / 2` outside.

    Args:
        x: Tensor.
        lower: Float, least slope, at least 0. Defaults to `1 / 8`.
        upper: Float, greatest slope, at least `lower`. Defaults to `1 / 3`.
        training: Bool, whether to draw. Defaults to `False`.
        seed: A `keras.random.SeedGenerator` to draw from, kept by the caller; or
            `None` for Keras's global one, which compiled JAX functions refuse. An int
            is refused: it would give the same slopes at every call.
        noise_shape: Optional sequence, the shape of the slopes: 1 for an axis along
            which one slope holds, `None` for the size of `x`.

    Returns:
        Tensor of the shape of `x`.

    Raises:
        ValueError: Unless `0 <= lower <= upper`, or if `seed` is an int.

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
        rule = "`seed` must be a `keras.random.SeedGenerator`, which draws anew."
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
    # Drawn in float32: the few values of narrower types would shift the mean.
    wide = "float64" if dtype == "float64" else "float32"
    slope = ops.cast(keras.random.uniform(shape, lower, upper, wide, seed), dtype)
    return x * ops.where(x > 0, 1, slope)
