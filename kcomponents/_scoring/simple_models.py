"""Simple models: the skill that a network should at least reach."""

import numpy as np

ROWS = 1000
FEATURES = 400
NEIGHBORS = 5


def reachable(inputs, y, task, seed=0):
    """Return the skill of simple models on held-out samples.

    Skill is 0 for the best constant prediction and 1 for zero error, squared error for
    a regression and accuracy otherwise. A dict of `"linear"`, for linear least squares,
    and `"best"`, for the best of it, least squares on random features, and nearest
    neighbors. None with too few samples or inputs that are not numbers.
    """
    x = _features(inputs)
    known = _targets(y, task)
    if x is None or known is None or len(x) != len(known[0]) or len(x) < 40:
        return None
    targets, classes = known
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))[:ROWS]
    x, targets = x[order], targets[order]
    classes = None if classes is None else classes[order]
    half = int(len(x) * 0.7)
    std = x[:half].std(0)
    keep = std > 1e-12
    if not keep.any():
        return {"linear": 0.0, "best": 0.0}
    z = np.clip((x[:, keep] - x[:half, keep].mean(0)) / std[keep], -10, 10)
    guesses = {
        "linear": _ridge(z, targets, half),
        "features": _ridge(_random_features(z, rng), targets, half),
        "neighbors": _neighbors(z, targets, half),
    }
    found = {
        name: _skill(
            guess, targets[half:], classes if classes is None else classes[half:]
        )
        for name, guess in guesses.items()
    }
    linear = max(found["linear"], 0.0)
    return {"linear": linear, "best": max(linear, *found.values())}


def _features(inputs):
    columns = []
    for array in inputs:
        array = np.asarray(array)
        if array.dtype.kind not in "biuf":
            return None
        columns.append(array.reshape(len(array), -1).astype("float64"))
    if not columns or len({len(c) for c in columns}) > 1:
        return None
    x = np.concatenate(columns, 1)
    if not np.isfinite(x).all() or not x.shape[1]:
        return None
    step = max(1, -(-x.shape[1] // FEATURES))
    return x[:, ::step]


def _targets(y, task):
    """Return targets as a table, and each sample's class, None for a regression."""
    y = np.asarray(y)
    if y.dtype.kind not in "biuf" or not np.isfinite(y.astype("float64")).all():
        return None
    y = y.astype("float64").reshape(len(y), -1)
    if y.shape[1] > 200:
        return None
    if task == "sparse" and y.shape[1] == 1:
        values, classes = np.unique(y[:, 0], return_inverse=True)
        return np.eye(len(values))[classes], classes
    if task == "categorical":
        return y, y.argmax(1)
    if task == "binary" and y.shape[1] == 1:
        classes = (y[:, 0] > (y.min() + y.max()) / 2).astype(int)
        return np.eye(2)[classes], classes
    return y, None


def _ridge(x, y, half):
    one = np.ones((len(x), 1))
    x = np.concatenate([x, one], 1)
    gram = x[:half].T @ x[:half] + 0.01 * half * np.eye(x.shape[1])
    mean = y[:half].mean(0)
    return x[half:] @ np.linalg.solve(gram, x[:half].T @ (y[:half] - mean)) + mean


def _random_features(z, rng):
    weights = rng.normal(size=(z.shape[1], 200)) / np.sqrt(z.shape[1])
    return np.concatenate([z, np.maximum(z @ weights + rng.normal(size=200), 0)], 1)


def _neighbors(z, y, half):
    a, b = z[half:], z[:half]
    far = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    nearest = np.argsort(far, 1)[:, :NEIGHBORS]
    return y[nearest].mean(1)


def _skill(guess, y, classes):
    if classes is None:
        variance = ((y - y.mean(0)) ** 2).mean()
        return float(1 - ((guess - y) ** 2).mean() / variance) if variance else 0.0
    constant = np.bincount(classes).max() / len(classes)
    right = np.mean(guess.argmax(1) == classes)
    return float((right - constant) / (1 - constant)) if constant < 1 else 0.0
