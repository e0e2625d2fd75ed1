"""Class probabilities: from logits, and their entropy."""

import numpy as np


def of_logits(logits):
    """Return the softmax over the last axis, or the sigmoid of a single logit."""
    logits = np.asarray(logits, "float64")
    if logits.shape[-1] == 1:
        return np.exp(-np.logaddexp(0, -logits))
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def are_probabilities(values):
    """Return whether each row sums to 1, or is a single number between 0 and 1."""
    if values.ndim < 3 or values.dtype.kind != "f" or not np.all(values >= 0):
        return False
    if values.shape[-1] == 1:
        return bool(np.all(values <= 1))
    # The tolerance is for half precision.
    return bool(np.all(np.abs(values.sum(-1) - 1) < 1e-2))


def of_classes(probabilities):
    """Return probabilities with a column for each class; one column becomes two."""
    probabilities = np.asarray(probabilities, "float64")
    if probabilities.shape[-1] > 1:
        return probabilities
    return np.concatenate([1 - probabilities, probabilities], axis=-1)


def entropy(probabilities):
    """Return the entropy over the last axis, in nats."""
    p = of_classes(probabilities)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)
