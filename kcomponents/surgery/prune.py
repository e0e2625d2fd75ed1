"""prune: remove units without effect from a trained model."""

import contextlib
import warnings
from typing import Any

import keras
import numpy as np

from kcomponents._checks import number
from kcomponents.surgery._units import Weights, paths_of, ranges_of


def prune(
    model: keras.Model, x: Any, *, tolerance: float = 1e-6, batch_size: int = 128
) -> keras.Model:
    r"""Return a smaller model with the same outputs on the data.

    Removes units (of `Dense`) and filters (of `Conv1D`, `Conv2D`, `Conv3D`) whose
    contribution to the next layers is the same for all samples,

        max_x u(x) w - min_x u(x) w <= tolerance   for the largest weight w behind u,

    such as dead rectifiers, or units whose weights decayed to 0. Their constant
    contribution is added to the biases of the next layers. Between the layers there may
    be activations, dropout, pooling, `BatchNormalization` and `Flatten`. Units that
    reach an output, or a layer that combines several units (`Add`, a softmax), are
    kept, and at least one unit of each layer.

    Only the given data shows which units are constant: pass all of it.

    Args:
        model: Built `Sequential` or functional model. It is not changed.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches.
        tolerance: Float of at least 0, the most that a sum in the next layer may change
            for each removed unit. Defaults to 1e-6.
        batch_size: Int, number of samples in a batch. Defaults to 128.

    Returns:
        A model of the same class with the same names, trained weights and inputs. It is
        compiled like `model`, with a new optimizer, if the compile configuration can be
        deserialized.

    Raises:
        ValueError: If the model has no graph of layers or is not built, there are no
            samples, or a number is out of range.

    Example:
        >>> import keras
        >>> from kcomponents.surgery import prune
        >>> hidden = keras.layers.Dense(8, "relu")
        >>> model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])
        >>> dead = hidden.bias.assign([-9.0] * 6 + [1.0] * 2)  # six never fire
        >>> small = prune(model, keras.random.uniform((64, 3)))
        >>> [layer.units for layer in small.layers]
        [2, 1]

    Reference:
        Hu et al., [Network Trimming: A Data-Driven Neuron Pruning Approach towards
        Efficient Deep Architectures](https://arxiv.org/abs/1607.03250), 2016.
    """
    tolerance = number("tolerance", tolerance, 0)
    paths = paths_of(model)
    ranges = ranges_of(model, paths, x, batch_size)
    weights, sizes, pruned = Weights(model), {}, []
    for path in paths:
        idle = _idle_units(path, ranges, tolerance)
        # A layer needs at least one unit.
        idle[0] &= not idle.all()
        if idle.any():
            pruned.append((path, np.flatnonzero(~idle)))
            weights.move_into_bias(path, ranges, idle)
            sizes[path.producer.name] = int(np.sum(~idle))
    # Only now: the ranges and biases above belong to kernels of the full size.
    for path, units in pruned:
        weights.keep_units(path, units)
    small = _resized(model, sizes)
    weights.assign_to(small)
    return small


def _idle_units(path, ranges, tolerance):
    """Return for each unit whether removing it changes no sum by more than `tolerance`.

    A unit adds its output times a weight to a sum. It is idle if this product is small,
    or if it varies little and the bias can hold its constant part.
    """
    idle = np.ones(path.units, bool)
    for part in path.contributions(ranges):
        largest = np.max(np.abs(part.kernel), axis=-1)
        varies = np.sum((part.high - part.low) * largest, axis=0)
        adds = np.sum(np.maximum(abs(part.low), abs(part.high)) * largest, axis=0)
        idle &= (adds <= tolerance) | (part.fits_bias & (varies <= tolerance))
    return idle


def _resized(model, sizes):
    """Return a copy of the model with new numbers of units in some layers."""

    def resized(layer):
        config = layer.get_config()
        if layer.name in sizes:
            name = "units" if "units" in config else "filters"
            config[name] = sizes[layer.name]
        return type(layer).from_config(config)

    # `clone_model` would fail if it cannot compile the copy.
    compiled, model.compiled = model.compiled, False
    try:
        small = keras.models.clone_model(model, clone_function=resized)
    finally:
        model.compiled = compiled
    if compiled:
        # Custom functions that are not registered cannot be deserialized.
        with contextlib.suppress(ValueError, TypeError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            small.compile_from_config(model.get_compile_config())
    return small
