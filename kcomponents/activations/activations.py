"""Activations by name, and the functions `maxout` and `rrelu`."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kcomponents._checks import (
    axis_in,
    boolean,
    fail,
    interval,
    number,
    one_of,
    positive_int,
    positive_ints,
)


def get(
    identifier: str | dict | Callable | None, *, as_layer: bool = False
) -> Callable:
    """Return an activation by name: a Keras function or a new layer.

    Accepts everything that `keras.activations.get` accepts, and in addition `"prelu"`,
    `"rrelu"`, `"maxout"`, and names with a parameter: `"maxout:4"` (number of pieces),
    `"prelu:0.1"` (initial slope), `"leaky_relu:0.01"` (slope), `"elu:0.5"` (alpha). The
    additional strings return a new layer at each call; the names that Keras has return
    the Keras function.

    A name means the same with and without `as_layer`: `"leaky_relu"` has the slope of
    the function, 0.2, not the slope of `keras.layers.LeakyReLU()`, 0.3.

    Add layers with weights to the model as separate layers. As the `activation` of a
    `Dense` layer, their weights would not exist until the first call, and a maxout
    would change the output shape unnoticed.

    Args:
        identifier: String as above; `None` for the identity; the config of a
            serialized activation; or a callable, which is returned unchanged.
        as_layer: Bool, whether to wrap functions in `keras.layers.Activation`, so
            that the result is always a layer. Defaults to `False`.

    Returns:
        Callable; a `keras.layers.Layer` if `as_layer=True`.

    Raises:
        ValueError: If the name is unknown or its parameter is invalid.

    Example:
        >>> from kcomponents import activations
        >>> activations.get("maxout:4").num_pieces
        4
        >>> activations.get("relu") is keras.activations.relu
        True
        >>> type(activations.get("relu", as_layer=True)).__name__
        'Activation'

    Reference: names of Keras's activations, https://keras.io/api/layers/activations
    """
    as_layer = boolean("as_layer", as_layer)
    found = _from_name(identifier) if isinstance(identifier, str) else identifier
    if isinstance(found, type):
        rule = "`identifier` must be an instance, not a class."
        fail(rule, identifier=identifier)
    found = keras.activations.get(found)
    if as_layer and not isinstance(found, keras.layers.Layer):
        return keras.layers.Activation(found)
    return found


def _from_name(identifier):
    name, colon, parameter = identifier.partition(":")
    if colon and name in _WITH_PARAMETER:
        try:
            return _WITH_PARAMETER[name](parameter)
        except ValueError as error:
            rule = f"The parameter of `{name}` is invalid: {error}"
            fail(rule, identifier=identifier)
    if identifier in _LAYERS:
        return _layer(identifier)()
    try:
        return keras.activations.get(identifier)
    except ValueError:
        names = set(dir(keras.activations)) - {"get", "serialize", "deserialize"}
        names = sorted(n for n in names | {*_LAYERS} if not n.startswith("_"))
        if colon and name in names:
            fail(f"`{name}` takes no parameter.", identifier=identifier)
        return one_of("identifier", identifier, names)


def _layer(name):
    # By the registered name, because `kcomponents.layers` imports this module.
    return keras.saving.get_registered_object(f"kcomponents>{_LAYERS[name]}")


_LAYERS = {"maxout": "Maxout", "prelu": "PReLU", "rrelu": "RReLU"}
_WITH_PARAMETER = {
    "elu": lambda text: keras.layers.ELU(number("alpha", float(text))),
    "leaky_relu": lambda text: keras.layers.LeakyReLU(
        number("negative_slope", float(text), 0)
    ),
    "maxout": lambda text: _layer("maxout")(int(text)),
    "prelu": lambda text: _layer("prelu")(float(text)),
}


def maxout(
    x: Any,
    num_pieces: int = 2,
    axis: int = -1,
    *,
    group_sizes: Sequence[int] | None = None,
    grouping: str = "contiguous",
) -> Any:
    """Return the largest value of each group of channels.

    `y[i] = max(x[j] for j in group i)`, or NaN if a channel of the group is NaN. Only
    the largest channel of a group gets the gradient; if several are equal, the first.

    Args:
        x: Tensor. The size of `axis` must be known.
        num_pieces: Int, the number of channels in each group. Defaults to `2`.
        axis: Int, the axis that contains the channels. Defaults to `-1`.
        group_sizes: List of ints, the number of channels of each group; replaces
            `num_pieces`. Defaults to `None`.
        grouping: Which channels form group `i`, for `n` groups of `k` channels:
            `"contiguous"` takes `i * k, ..., i * k + k - 1`, `"strided"` takes
            `i, i + n, ...`. Defaults to `"contiguous"`.

    Returns:
        Tensor with the shape of `x`, except for the number of groups on `axis`.

    Raises:
        ValueError: If counts are not positive integers, if the groups do not add up to
            the size of the axis, or if the grouping is unknown.

    Example:
        >>> from kcomponents.activations import maxout
        >>> y = maxout(keras.ops.array([1.0, 5.0, 4.0, 3.0]), 2)
        >>> keras.ops.convert_to_numpy(y).tolist()
        [5.0, 4.0]

    Reference: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, Maxout Networks,
    2013, [arXiv:1302.4389](https://arxiv.org/abs/1302.4389).
    """
    if not isinstance(x, keras.KerasTensor):
        x = ops.convert_to_tensor(x)
    axis = axis_in("axis", axis, len(x.shape))
    size = x.shape[axis]
    if group_sizes is not None:
        group_sizes = positive_ints("group_sizes", group_sizes)
        if sum(group_sizes) != size:
            rule = "`group_sizes` must add up to the size of the axis."
            fail(rule, group_sizes=group_sizes, size=size)
        return functools.reduce(_larger, _unequal_pieces(x, group_sizes, axis))
    num_pieces = positive_int("num_pieces", num_pieces)
    one_of("grouping", grouping, ("contiguous", "strided"))
    if size is None or size % num_pieces:
        rule = "`num_pieces` must divide the size of the axis."
        fail(rule, num_pieces=num_pieces, size=size)
    return functools.reduce(_larger, _pieces(x, num_pieces, axis, grouping))


def _larger(a, b):
    # Not `ops.maximum`: for equal values, backends split the gradient differently.
    return ops.where(ops.logical_or(a >= b, ops.isnan(a)), a, b)


def _pieces(x, num_pieces, axis, grouping):
    """Return the first channel of every group, the second, and so on."""
    if grouping == "strided":
        return ops.split(x, num_pieces, axis)
    shape = [-1 if size is None else size for size in x.shape]
    if shape.count(-1) > 1:
        # Works for any unknown sizes; the backward pass takes k times the memory.
        before = (slice(None),) * axis
        return [x[(*before, slice(j, None, num_pieces))] for j in range(num_pieces)]
    shape[axis : axis + 1] = [shape[axis] // num_pieces, num_pieces]
    return ops.unstack(ops.reshape(x, shape), num_pieces, axis + 1)


def _unequal_pieces(x, group_sizes, axis):
    """Return pieces for unequal groups; short groups repeat their last channel."""
    starts = list(itertools.accumulate([0, *group_sizes[:-1]]))
    groups = list(zip(starts, group_sizes, strict=True))
    columns = [
        [start + min(j, size - 1) for start, size in groups]
        for j in range(max(group_sizes))
    ]
    return [ops.take(x, column, axis) for column in columns]


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
