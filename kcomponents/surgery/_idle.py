"""Idle units: those that say the same whatever the data, or are not listened to."""

import numpy as np

from kcomponents.surgery._weights import reaches


def idle_units(way, spans, tolerance):
    """Return for each unit whether nothing changes by more than this without it.

    What a unit adds to a sum is its output times a weight. It is idle if that varies by
    less, and what it adds always can be put into the bias instead.
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
    """Return whether what always comes in can be put into the bias.

    At the border of an image, zeros come in.
    """
    padding = getattr(taker, "padding", "valid")
    return bool(taker.use_bias) and padding == "valid"


def put_into_bias(weights, way, spans, units):
    """Let the biases behind these units add what the units always added."""
    for taker, kernel, low, high in reaches(way, spans):
        if not can_hold_constants(taker):
            continue
        # Spans of all places together stand for each place of a kernel.
        middle = np.broadcast_to((low + high) / 2, kernel.shape[:2])
        added = np.einsum("pu,puo->o", middle[:, units], kernel[:, units])
        bias = weights.get(taker, taker.bias)
        weights.set(taker, taker.bias, bias + added.astype(bias.dtype))
