"""Every thinned net that dropout makes of a net with two hidden layers, in float64."""

import itertools

import numpy as np

ACTIVATIONS = {
    "linear": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "maxout": lambda z: z.reshape(*z.shape[:-1], -1, 2).max(-1),
}


def masks(units):
    """Return all ways to drop some of the units, each a row."""
    # Training scales what stays by 1 / (1 - rate), which is 2.
    return 2 * np.array(list(itertools.product([0.0, 1.0], repeat=units)))


def softmax(z):
    """Return the probabilities of logits."""
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def gaps(kind, model, x):
    """Run all thinned nets; return how far their means are from the scaled net."""
    pairs = [layer.get_weights() for layer in model.layers if layer.weights]
    (w1, b1), (w2, b2), (w3, b3) = [[a.astype("f8") for a in pair] for pair in pairs]
    active, firsts, seconds = ACTIVATIONS[kind], masks(len(w2)), masks(len(w3))
    first = active(x.astype("f8") @ w1 + b1)
    scaled = active(first @ w2 + b2) @ w3 + b3
    logits, logs, shares = np.zeros((3, *scaled.shape))
    for mask in firsts:
        z = (active(first * mask @ w2 + b2)[:, None] * seconds) @ w3 + b3
        p = softmax(z)
        for sums, values in (logits, z), (logs, np.log(p)), (shares, p):
            sums += values.mean(1) / len(firsts)
    told = softmax(scaled)
    return {
        "logit": float(np.sqrt(np.mean((logits - scaled) ** 2) / np.mean(scaled**2))),
        "geometric": float(np.abs(softmax(logs) - told).max()),
        "arithmetic": float(np.abs(shares - told).max()),
    }
