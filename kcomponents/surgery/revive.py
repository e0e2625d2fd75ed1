"""revive: reinitialize units whose output is constant."""

import graphlib
from typing import Any

import keras
import numpy as np

from kcomponents.surgery._units import (
    Weights,
    can_hold_constants,
    put_into_bias,
    reaches,
    spans_of,
    spread,
    ways_of,
)


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

    Reference: Sokar et al., "The Dormant Neuron Phenomenon in Deep Reinforcement
    Learning", 2023, https://arxiv.org/abs/2302.12902
    """
    ways = ways_of(model)
    spans = spans_of(model, ways, x, batch_size)
    weights, revived = Weights(model), {}
    random = np.random.default_rng(seed)
    for way in _from_the_front(ways):
        dead = _dead(way, spans)
        if dead.any():
            put_into_bias(weights, way, spans, dead)
            _reinitialize(weights, way, dead, random)
            revived[way.maker.name] = np.flatnonzero(dead).tolist()
    weights.give(model)
    return revived


def _from_the_front(ways):
    """Return the ways from inputs to outputs, so new weights are not set to 0 later."""
    of_maker = {id(way.maker): way for way in ways}
    order = graphlib.TopologicalSorter(dict.fromkeys(of_maker, ()))
    for way in ways:
        for taker, _ in way.takers:
            if id(taker) in of_maker:
                order.add(id(taker), id(way.maker))
    return [of_maker[maker] for maker in order.static_order()]


def _dead(way, spans):
    """Return for each unit whether it is constant, and a bias can replace it."""
    dead = np.ones(way.units, bool)
    for taker, _, low, high in reaches(way, spans):
        steady, silent = (low == high).all(0), (high == 0).all(0)
        dead &= steady & (silent | can_hold_constants(taker))
    return dead


def _reinitialize(weights, way, dead, random):
    maker, places = way.maker, np.flatnonzero(dead)
    rules = {"kernel": maker.kernel_initializer}
    if maker.use_bias:
        rules["bias"] = maker.bias_initializer
    for name, rule in rules.items():
        variable = getattr(maker, name)
        array = weights.get(maker, variable)
        array[..., dead] = _drawn(rule, variable, random)[..., dead]
    for layer in way.between:
        if isinstance(layer, keras.layers.BatchNormalization):
            for name, value in STATISTICS.items():
                if (variable := getattr(layer, name, None)) is not None:
                    array = weights.get(layer, variable)
                    array[spread(places, way, array)] = value
    for taker, _ in way.takers:
        kernel = weights.get(taker, taker.kernel)
        kernel[..., spread(places, way, np.moveaxis(kernel, -2, -1)), :] = 0


STATISTICS = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}


def _drawn(rule, variable, random):
    """Return new values of an initializer, with another seed than before."""
    config = rule.get_config() if hasattr(rule, "get_config") else {}
    if "seed" in config:
        seed = int(random.integers(2**31))
        rule = type(rule).from_config({**config, "seed": seed})
    values = rule(tuple(variable.shape), dtype=variable.dtype)
    return keras.ops.convert_to_numpy(values)
