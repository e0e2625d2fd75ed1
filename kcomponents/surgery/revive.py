"""revive: reinitialize units whose output is constant."""

import graphlib
from typing import Any

import keras
import numpy as np

from kcomponents.surgery._units import Weights, paths_of, ranges_of

# Initial values of the statistics of `BatchNormalization`.
STATISTICS = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}


def revive(
    model: keras.Model, x: Any, *, seed: int | None = None, batch_size: int = 128
) -> dict[str, list[int]]:
    """Reinitialize units whose output is the same for all samples, in place.

    Their incoming weights are drawn again from the layer's initializers, and the
    statistics of a `BatchNormalization` behind them are reset. Their outgoing weights
    become 0 and their constant contribution is added to the biases of the next layers,
    so the outputs of the model stay the same until training uses the revived units.
    Other units and the optimizer state do not change.

    Args:
        model: Built `Sequential` or functional model. It is changed in place.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches.
        seed: Int, seed of the new weights. Defaults to `None`, for other weights on
            each call.
        batch_size: Int, number of samples in a batch. Defaults to 128.

    Returns:
        Dict of layer name to the list of indices of its revived units.

    Raises:
        ValueError: If the model has no graph of layers or is not built, there are no
            samples, or `batch_size` is not a positive integer.

    Example:
        >>> import keras
        >>> from kcomponents.surgery import revive
        >>> hidden = keras.layers.Dense(3, "relu", name="hidden")
        >>> model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])
        >>> dead = hidden.bias.assign([-9.0, 1.0, -9.0])
        >>> revive(model, keras.random.uniform((64, 3)))
        {'hidden': [0, 2]}

    Reference:
        Sokar et al., [The Dormant Neuron Phenomenon in Deep Reinforcement
        Learning](https://arxiv.org/abs/2302.12902), 2023.
    """
    paths = paths_of(model)
    ranges = ranges_of(model, paths, x, batch_size)
    weights, revived = Weights(model), {}
    random = np.random.default_rng(seed)
    for path in _from_inputs_to_outputs(paths):
        dead = _dead_units(path, ranges)
        if dead.any():
            weights.move_into_bias(path, ranges, dead)
            _reinitialize(weights, path, dead, random)
            revived[path.producer.name] = np.flatnonzero(dead).tolist()
    weights.assign_to(model)
    return revived


def _from_inputs_to_outputs(paths):
    """Return the paths in order, so that new weights are not set to 0 later."""
    by_producer = {id(path.producer): path for path in paths}
    order = graphlib.TopologicalSorter(dict.fromkeys(by_producer, ()))
    for path in paths:
        for consumer, _ in path.consumers:
            if id(consumer) in by_producer:
                order.add(id(consumer), id(path.producer))
    return [by_producer[producer] for producer in order.static_order()]


def _dead_units(path, ranges):
    """Return for each unit whether it is constant, and a bias can replace it."""
    dead = np.ones(path.units, bool)
    for part in path.contributions(ranges):
        constant = (part.low == part.high).all(0)
        dead &= constant & ((part.high == 0).all(0) | part.fits_bias)
    return dead


def _reinitialize(weights, path, dead, random):
    producer, units = path.producer, np.flatnonzero(dead)
    initializers = {"kernel": producer.kernel_initializer}
    if producer.use_bias:
        initializers["bias"] = producer.bias_initializer
    for name, initializer in initializers.items():
        variable = getattr(producer, name)
        array = weights.get(producer, variable)
        array[..., dead] = _new_values(initializer, variable, random)[..., dead]
    for layer in path.between:
        if isinstance(layer, keras.layers.BatchNormalization):
            for name, value in STATISTICS.items():
                if (variable := getattr(layer, name, None)) is not None:
                    array = weights.get(layer, variable)
                    array[path.indices(units, array)] = value
    for consumer, _ in path.consumers:
        kernel = weights.get(consumer, consumer.kernel)
        kernel[..., path.indices(units, np.moveaxis(kernel, -2, -1)), :] = 0


def _new_values(initializer, variable, random):
    """Return new values of an initializer, with another seed than before."""
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    if "seed" in config:
        seed = int(random.integers(2**31))
        initializer = type(initializer).from_config({**config, "seed": seed})
    values = initializer(tuple(variable.shape), dtype=variable.dtype)
    return keras.ops.convert_to_numpy(values)
