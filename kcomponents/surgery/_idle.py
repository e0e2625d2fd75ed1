"""Idle units: their output is constant on the data, or has no effect."""

import numpy as np

from kcomponents.surgery._weights import reaches


def idle_units(way, spans, tolerance):
    """Return for each unit whether removing it changes no sum by more than `tolerance`.

    A unit adds its output times a weight to a sum. It is idle if this product is small,
    or if it varies little and the bias can hold its constant part.
    """
    idle = np.ones(way.units, bool)
    for taker, kernel, low, high in reaches(way, spans):
        largest = np.max(np.abs(kernel), axis=-1)
        varies = np.sum((high - low) * largest, axis=0)
        adds = np.sum(np.maximum(abs(low), abs(high)) * largest, axis=0)
        idle &= (adds <= tolerance) | (
            can_hold_constants(taker) & (varies <= tolerance)
        )
    return idle


def can_hold_constants(taker):
    """Return whether the bias of a layer can replace constant inputs.

    Not with padding: at the border of an image the inputs are zeros instead.
    """
    padding = getattr(taker, "padding", "valid")
    return bool(taker.use_bias) and padding == "valid"


def put_into_bias(weights, way, spans, units):
    """Add the constant contribution of these units to the biases of the next layers."""
    for taker, kernel, low, high in reaches(way, spans):
        if not can_hold_constants(taker):
            continue
        # A span over all positions applies to each position of a kernel.
        middle = np.broadcast_to((low + high) / 2, kernel.shape[:2])
        added = np.einsum("pu,puo->o", middle[:, units], kernel[:, units])
        bias = weights.get(taker, taker.bias)
        weights.set(taker, taker.bias, bias + added.astype(bias.dtype))
