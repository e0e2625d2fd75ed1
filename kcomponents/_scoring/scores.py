"""Scores: loss and accuracy of predictions, and of the best constant prediction."""

from typing import Any

import numpy as np

EPSILON = 1e-7
# With fewer samples, a constant for each position would learn them by heart.
FEWEST_OF_POSITION = 100
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


def guessed_task(target, shape):
    """Return the task that targets and outputs suggest, without a known loss.

    Args:
        target: Dict of facts of the targets.
        shape: List, the shape of an output without the axis of samples.
    """
    if not target or not target.get("std"):
        return "unknown"
    units = shape[-1] if shape else 1
    same = [n for n in target["shape"] if n != 1] == [n for n in shape if n != 1]
    if target["one_hot"] and same:
        return "categorical"
    if not target["integer"]:
        return "regression" if same else "unknown"
    per_output = target["shape"] in (shape[:-1], [*shape[:-1], 1])
    classes = target.get("values") == [float(k) for k in range(units)]
    if units > 1 and per_output and classes:
        return "sparse"
    binary = units == 1 and len(shape) <= 1 and target.get("values") == [0.0, 1.0]
    return "binary" if binary and same else "unknown"


def scores(task, loss, y, p, weights=None):
    """Return the scores of predictions `p` on targets `y`: dict of name to number.

    `"loss"` is the mean loss by its formula, `"accuracy"` the share of right classes,
    `"recall"` that of each class, `"error"` the squared error over the targets'
    variance, `"spread"` the standard deviation of the predictions over samples.

    Args:
        task: String that `task_of` or `guessed_task` returned.
        loss: Name of the class of the loss, or None. Without one, the scores do not
            depend on the scale of the predictions: `"error"` is then one minus the
            squared correlation, or minus the distance of the area under the ROC curve
            from chance.
        y: Targets.
        p: Predictions.
        weights: Array with a weight for each sample, or for each position of each
            sample. Defaults to `None`, equal weights.
    """
    y, p = np.asarray(y, "float64"), np.asarray(p, "float64")
    found: dict[str, Any] = {"spread": float(np.mean(p.std(0))) if len(p) else 0.0}
    if task == "sparse":
        y = y.reshape(p.shape[:-1])
        w = positions(weights, y.shape)
        y, p, w = y.reshape(-1), p.reshape(-1, p.shape[-1]), w.reshape(-1)
        y, p, w = y[w > 0], p[w > 0], w[w > 0]
        if not len(y):
            return found
        found["accuracy"] = _mean(p.argmax(-1) == y, w)
        found["recall"] = _recalls(p.argmax(-1), y)
        if _is_distribution(p) and y.min() >= 0 and y.max() < p.shape[-1]:
            chosen = np.take_along_axis(p, y.astype(int)[..., None], -1)[..., 0]
            found["loss"] = -_mean(np.log(np.clip(chosen, EPSILON, 1)), w)
        return found
    y = _fit(y, p)
    if y is None:
        return found
    if task == "categorical":
        w = positions(weights, y.shape[:-1]).reshape(-1)
        flat_y, flat_p = (a.reshape(-1, y.shape[-1])[w > 0] for a in (y, p))
        w = w[w > 0]
        if not len(w):
            return found
        truth = flat_y.argmax(-1)
        found["accuracy"] = _mean(flat_p.argmax(-1) == truth, w)
        found["recall"] = _recalls(flat_p.argmax(-1), truth)
        if _is_distribution(flat_p) and loss not in REGRESSION:
            logs = np.log(np.clip(flat_p, EPSILON, 1))
            found["loss"] = -_mean(np.sum(flat_y * logs, -1), w)
    elif task in ("binary", "multilabel"):
        found.update(_of_two_classes(task, loss, y, p, weights))
    w = positions(weights, y.shape)
    if task == "regression" and loss == "MeanSquaredError":
        found["loss"] = _mean((p - y) ** 2, w)
    elif task == "regression" and loss == "MeanAbsoluteError":
        found["loss"] = _mean(np.abs(p - y), w)
    elif task == "regression" and loss in BINARY and p.min() >= 0 and p.max() <= 1:
        found["loss"] = _cross_entropy(y, p, w)
    if loss is None:
        found |= _without_scale(task, y, p, w)
    elif task != "binary" or loss not in HINGE:
        found["error"] = _mean((p - y) ** 2, w) / (_variance(y, w) or 1.0)
    return found


def positions(weights, shape):
    """Return weights as an array of this shape; ones without weights."""
    if weights is None:
        return np.ones(shape)
    weights = np.asarray(weights, "float64")
    while weights.ndim > len(shape) and weights.shape[-1] == 1:
        weights = weights[..., 0]
    missing = len(shape) - weights.ndim
    try:
        return np.broadcast_to(weights.reshape(*weights.shape, *[1] * missing), shape)
    except ValueError:
        return np.ones(shape)


def _mean(values, weights):
    return float(np.average(values, weights=weights)) if weights.any() else 0.0


def _variance(y, weights):
    """Return the mean variance over samples of each element."""
    total = np.maximum(weights.sum(0), 1e-12)
    mean = (y * weights).sum(0) / total
    return _mean((y - mean) ** 2, weights)


def _recalls(predicted, truth):
    return [float(np.mean(predicted[truth == k] == k)) for k in np.unique(truth)[:100]]


def _without_scale(task, y, p, w):
    """Return scores that do not change when predictions are scaled or turned."""
    y, p, w = y.reshape(-1), p.reshape(-1), w.reshape(-1)
    y, p = y[w > 0], p[w > 0]
    if task == "binary" and 0 < (y > 0.5).sum() < len(y):
        order = np.unique(p, return_inverse=True, return_counts=True)
        _, places, counts = order
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[places.reshape(-1)]
        positive = y > 0.5
        above = ranks[positive].mean() - (positive.sum() + 1) / 2
        return {"error": 1 - abs(2 * above / (~positive).sum() - 1)}
    if task == "regression":
        varies = y.std() > 0 and p.std() > 1e-9 * (np.abs(p).max() + 1e-30)
        return {"error": 1 - np.corrcoef(y, p)[0, 1] ** 2 if varies else 1.0}
    return {}


def _of_two_classes(task, loss, y, p, weights):
    w = positions(weights, y.shape)
    if not w.any():
        return {}
    between = _between(y[w > 0])
    # Hinge losses have targets -1 and 1, so 0 separates the predictions.
    signed = loss in HINGE or min(y[w > 0].min(), p[w > 0].min()) < 0
    right = (p > (0.0 if signed else 0.5)) == (y > between)
    found: dict[str, Any] = {}
    if loss is not None:
        found["accuracy"] = _mean(right, w)
    if task == "binary":
        # In the order of the classes.
        sides = [(y <= between) & (w > 0), (y > between) & (w > 0)]
        found["recall"] = [float(right[side].mean()) for side in sides if side.any()]
    if loss in BINARY and p.min() >= 0 and p.max() <= 1:
        found["loss"] = _cross_entropy(y, p, w)
    return found


def _between(y):
    """Return a number between two classes: 0 and 1, -1 and 1, or any other two."""
    low, high = y.min(), y.max()
    return (low + high) / 2 if low < high else 0.5


def _cross_entropy(y, p, w):
    q = np.clip(p, EPSILON, 1 - EPSILON)
    return -_mean(y * np.log(q) + (1 - y) * np.log(1 - q), w)


def constant_scores(task, loss, y, weights=None):
    """Return loss and accuracy of the best constant prediction."""
    y = np.asarray(y, "float64")
    if task in ("sparse", "categorical") and loss not in REGRESSION:
        found = _of_positions(task, y, weights)
        if found is not None:
            return found
    if task == "sparse":
        w = positions(weights, y.shape).reshape(-1)
        values, places = np.unique(y.reshape(-1), return_inverse=True)
        shares = np.bincount(places.reshape(-1), w) / max(w.sum(), 1e-12)
        return _entropy(shares), float(shares.max())
    if task == "categorical":
        flat = y.reshape(-1, y.shape[-1])
        w = positions(weights, y.shape[:-1]).reshape(-1)
        total = max(w.sum(), 1e-12)
        shares = (flat * w[:, None]).sum(0) / total
        accuracy = np.bincount(flat.argmax(-1), w).max() / total
        known = _of_regression(loss, y, weights)
        known = known if loss in REGRESSION else _entropy(shares)
        return known, float(accuracy)
    if task in ("binary", "multilabel"):
        # Labels may be -1 and 1.
        width = y.shape[-1] if y.ndim > 1 else 1
        if len(y) >= FEWEST_OF_POSITION and y.ndim > 2:
            width = int(np.prod(y.shape[1:]))
        w = positions(weights, y.shape).reshape(-1, width)
        y_of = y.reshape(-1, width)
        above = y_of > _between(y_of[w > 0] if w.any() else y_of)
        shares = (above * w).sum(0) / np.maximum(w.sum(0), 1e-12)
        accuracy = float(np.mean(np.maximum(shares, 1 - shares)))
        if loss in REGRESSION:
            return _of_regression(loss, y, weights), accuracy
        if loss is None or loss in HINGE:
            return None, accuracy
        return float(np.mean([_entropy([s, 1 - s]) for s in shares])), accuracy
    if task == "regression":
        if loss in BINARY:
            w = positions(weights, y.shape)
            means = (y * w).sum(0) / np.maximum(w.sum(0), 1e-12)
            means = np.clip(means, EPSILON, 1 - EPSILON)
            logs = means * np.log(means) + (1 - means) * np.log(1 - means)
            return float(-np.mean(logs)), None
        return _of_regression(loss, y, weights), None
    return None, None


def _of_positions(task, y, weights):
    """Return loss and accuracy of the best constant prediction for each position.

    None if samples have a single position, or too few samples count at one.
    """
    if task == "sparse":
        y = y.reshape(y.shape[:-1]) if y.ndim > 1 and y.shape[-1] == 1 else y
        classes = y.astype(int)
    else:
        classes = y.argmax(-1)
    if classes.ndim < 2 or len(classes) < FEWEST_OF_POSITION:
        return None
    flat = classes.reshape(len(classes), -1)
    w = positions(weights, classes.shape).reshape(flat.shape)
    if ((w > 0).sum(0) < FEWEST_OF_POSITION).any() or len(np.unique(flat)) > 100:
        return None
    total = w.sum(0)
    shares = np.stack([(w * (flat == k)).sum(0) for k in np.unique(flat)]) / total
    logs = np.log(np.where(shares > 0, shares, 1.0))
    of_position = total / total.sum()
    entropy = -(shares * logs).sum(0)
    return float(entropy @ of_position), float(shares.max(0) @ of_position)


def _of_regression(loss, y, weights):
    w = positions(weights, y.shape)
    if loss == "MeanSquaredError":
        return _variance(y, w)
    if loss == "MeanAbsoluteError":
        return _mean(np.abs(y - _medians(y, w)), w)
    return None


def _medians(y, weights):
    """Return the median over samples of each element, of samples that count."""
    shape = y.shape[1:]
    y, w = y.reshape(len(y), -1), weights.reshape(len(weights), -1)
    order = np.argsort(y, axis=0, kind="stable")
    y, w = (np.take_along_axis(part, order, 0) for part in (y, w))
    sums = w.cumsum(0)
    # The sum of distances is least where half of the weight is on each side.
    middle = (sums < sums[-1:] / 2).sum(0).clip(max=len(y) - 1)
    return np.take_along_axis(y, middle[None], 0).reshape(shape)


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
