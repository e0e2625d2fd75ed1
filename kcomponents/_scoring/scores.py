"""Scores: loss and accuracy of predictions, and of the best constant prediction."""

from typing import Any

import numpy as np

EPSILON = 1e-7
BINARY = {"BinaryCrossentropy", "BinaryFocalCrossentropy"}
CATEGORICAL = {
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "KLDivergence",
}
SPARSE = {"SparseCategoricalCrossentropy"}
HINGE = {"Hinge", "SquaredHinge"}
REGRESSION = {
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
}


def task_of(loss, target, units):
    """Return the task, given the loss and facts of the targets.

    `"binary"`, `"multilabel"`, `"categorical"`, `"sparse"`, `"regression"`, or
    `"unknown"`, for example with a custom loss.
    """
    if not target or "std" not in target:
        return "unknown"
    if loss in SPARSE:
        return "sparse"
    if loss in CATEGORICAL:
        return "categorical"
    integer = target.get("integer")
    if loss in BINARY | HINGE and integer:
        if target["one_hot"] and units and units > 1:
            return "categorical"
        return "binary" if (units or 1) == 1 else "multilabel"
    if loss in BINARY | REGRESSION:
        if target["one_hot"]:
            return "categorical"
        binary = integer and target["min"] >= 0 and target["max"] == 1
        if binary and target["shape"] in ([], [1]):
            return "binary"
        return "regression"
    return "unknown"


def scores(task, loss, y, p):
    """Return the scores of predictions `p` on targets `y`: dict of name to number.

    `"loss"` is the mean loss by its formula, `"accuracy"` the share of right classes,
    `"error"` the squared error over the targets' variance, `"spread"` the standard
    deviation of the predictions over samples.
    """
    y, p = np.asarray(y, "float64"), np.asarray(p, "float64")
    found: dict[str, Any] = {"spread": float(np.mean(p.std(0))) if len(p) else 0.0}
    if task == "sparse":
        y = y.reshape(p.shape[:-1])
        found["accuracy"] = float(np.mean(p.argmax(-1) == y))
        recalls = [np.mean(p.argmax(-1)[y == k] == k) for k in np.unique(y)[:100]]
        found["recall"] = list(map(float, recalls))
        if _is_distribution(p) and y.min() >= 0 and y.max() < p.shape[-1]:
            chosen = np.take_along_axis(p, y.astype(int)[..., None], -1)
            found["loss"] = float(-np.mean(np.log(np.clip(chosen, EPSILON, 1))))
        return found
    y = _fit(y, p)
    if y is None:
        return found
    if task == "categorical":
        truth = y.argmax(-1)
        found["accuracy"] = float(np.mean(p.argmax(-1) == truth))
        recalls = [np.mean(p.argmax(-1)[truth == k] == k) for k in np.unique(truth)]
        found["recall"] = list(map(float, recalls))
        if _is_distribution(p) and loss not in REGRESSION:
            logs = np.log(np.clip(p, EPSILON, 1))
            found["loss"] = float(-np.mean(np.sum(y * logs, -1)))
    elif task in ("binary", "multilabel"):
        found.update(_of_two_classes(task, loss, y, p))
    if task == "regression" and loss == "MeanSquaredError":
        found["loss"] = float(np.mean((p - y) ** 2))
    elif task == "regression" and loss == "MeanAbsoluteError":
        found["loss"] = float(np.mean(np.abs(p - y)))
    variance = float(np.mean(y.var(0))) or 1.0
    if task != "binary" or loss not in HINGE:
        found["error"] = float(np.mean((p - y) ** 2) / variance)
    return found


def _of_two_classes(task, loss, y, p):
    low, high = y.min(), y.max()
    # Hinge losses have targets -1 and 1, so 0 separates the predictions.
    middle = 0.0 if low < 0 or loss in HINGE or p.min() < 0 else 0.5
    right = (p > middle) == (y > (low + high) / 2)
    found: dict[str, Any] = {"accuracy": float(np.mean(right))}
    if task == "binary":
        sides = [right[y > (low + high) / 2], right[y <= (low + high) / 2]]
        found["recall"] = [float(np.mean(side)) for side in sides if side.size]
    if loss in BINARY and p.min() >= 0 and p.max() <= 1:
        q = np.clip(p, EPSILON, 1 - EPSILON)
        found["loss"] = float(-np.mean(y * np.log(q) + (1 - y) * np.log(1 - q)))
    return found


def constant_scores(task, loss, y):
    """Return loss and accuracy of the best constant prediction."""
    y = np.asarray(y, "float64")
    if task == "sparse":
        counts = np.unique(y, return_counts=True)[1] / y.size
        return _entropy(counts), float(counts.max())
    if task == "categorical":
        flat = y.reshape(-1, y.shape[-1])
        shares = flat.mean(0)
        accuracy = np.bincount(flat.argmax(-1)).max() / len(flat)
        known = _of_regression(loss, y) if loss in REGRESSION else _entropy(shares)
        return known, float(accuracy)
    if task in ("binary", "multilabel"):
        middle = (y.min() + y.max()) / 2
        # Labels may be -1 and 1.
        shares = (y > middle).reshape(-1, y.shape[-1] if y.ndim > 1 else 1).mean(0)
        accuracy = float(np.mean(np.maximum(shares, 1 - shares)))
        if loss in REGRESSION:
            return _of_regression(loss, y), accuracy
        if loss in HINGE:
            return None, accuracy
        return float(np.mean([_entropy([s, 1 - s]) for s in shares])), accuracy
    if task == "regression":
        if loss in BINARY:
            means = np.clip(y.mean(0), EPSILON, 1 - EPSILON)
            logs = means * np.log(means) + (1 - means) * np.log(1 - means)
            return float(-np.mean(logs)), None
        return _of_regression(loss, y), None
    return None, None


def _of_regression(loss, y):
    if loss == "MeanSquaredError":
        return float(np.mean(y.var(0)))
    if loss == "MeanAbsoluteError":
        return float(np.mean(np.abs(y - np.median(y, 0))))
    return None


def _entropy(shares):
    shares = np.asarray(shares, "float64")
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log(shares)))


def _is_distribution(p):
    if p.min() < -1e-6 or p.max() > 1 + 1e-6:
        return False
    return bool(np.allclose(p.sum(-1), 1, atol=1e-3))


def _fit(y, p):
    """Return targets in the shape of the predictions, None if that is impossible."""
    if y.shape == p.shape:
        return y
    if y.size == p.size:
        return y.reshape(p.shape)
    if y.ndim == p.ndim - 1:
        y = y[..., None]
    try:
        return np.broadcast_to(y, p.shape)
    except ValueError:
        return None
