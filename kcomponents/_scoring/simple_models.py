"""Simple models: the skill that a network should at least reach."""

import math
from typing import NamedTuple

import numpy as np

from kcomponents._scoring.features import features_of
from kcomponents._scoring.scores import positions

ROWS = 1000
NEIGHBORS = 5
RANDOM_FEATURES = 200
# The most targets of a sample that simple models predict, if its positions are not
# separate samples.
MOST_TARGETS = 200
FEWEST = 40


def reachable(inputs, y, task, seed=0, *, weights=None, ids=(), width=None):
    """Return the skill of simple models on held-out samples.

    Skill is 0 for the best constant prediction and 1 for zero error, squared error for
    a regression and accuracy otherwise.

    Args:
        inputs: List of arrays.
        y: Array of targets.
        task: String that `task_of` or `guessed_task` returned.
        seed: Integer. Defaults to 0.
        weights: Array of a weight for each sample or each of its positions, or None.
        ids: Indices of the inputs that hold ids, whose sizes mean nothing.
        width: Integer, the size of the narrowest layer that everything passes through,
            or None. A prediction of many numbers from few has no more dimensions.

    Returns:
        Dict of `"linear"`, for linear least squares, `"best"`, for the best of it,
        least squares on random features, nearest neighbors and an unchanged input,
        `"repeat"`, for the latter: as for a series whose last value is repeated,
        `"signal"`, the share of the targets' variance that is predicted, and, if each
        sample has one class, `"surest"`: the skill on the quarter of the samples that
        the best model is surest of. None with too few samples or inputs that are not
        numbers.
    """
    size = math.prod(np.shape(y)[1:])
    narrow = task == "regression" and width is not None and width < size
    copied = task == "regression" and size > 1 and _is_copy(inputs, y)
    if copied and not narrow:
        # How narrow the way is on which the inputs pass is not known.
        return None
    generator = np.random.default_rng(seed)
    data = _table(inputs, y, task, weights, ids, generator, by_position=not narrow)
    if data is None or len(data.x) < FEWEST:
        return None
    x, targets, classes, w = data[:4]
    half = int(len(x) * 0.7)
    std = x[:half].std(0)
    keep = std > 1e-12
    if not keep.any() or not w[half:].any() or not w[:half].any():
        return {"linear": 0.0, "best": 0.0, "repeat": 0.0, "signal": 0.0}
    z = np.clip((x[:, keep] - x[:half, keep].mean(0)) / std[keep], -10, 10)
    rng = np.random.default_rng(seed)
    guesses = {
        "linear": _ridge(z, targets, half, w),
        "features": _ridge(_random_features(z, rng), targets, half, w),
        "neighbors": _neighbors(z, targets, half),
    }
    if narrow and width < targets.shape[1]:
        guesses = {k: _through(width, v, targets, half) for k, v in guesses.items()}
    held = None if classes is None else classes[half:]
    found = {k: _skill(v, targets[half:], held, w[half:]) for k, v in guesses.items()}
    signals = [_skill(v, targets[half:], None, w[half:]) for v in guesses.values()]
    linear = max(found["linear"], 0.0)
    repeat = 0.0
    if task == "regression" and targets.shape[1] == 1:
        repeat = _repeat(x[half:], targets[half:, 0], w[half:])
    skills = {
        "linear": linear,
        "best": max(linear, repeat, *found.values()),
        "repeat": repeat,
        "signal": max(0.0, repeat, *signals),
    }
    if held is not None and targets.shape[1] > 1 and not data.by_position:
        best = guesses[max(found, key=lambda name: found[name])][half:]
        skills["surest"] = _skill_of_surest(best, held, w[half:])
    return skills


def work_of(rows, features, targets):
    """Return about how many operations `reachable` takes."""
    wide = features + RANDOM_FEATURES
    grams = rows * (features**2 + wide**2) * 2 + (features**3 + wide**3) * 2 / 3
    return grams + 2 * (0.3 * rows) * (0.7 * rows) * features + rows * targets * wide


class _Data(NamedTuple):
    """Features, targets as numbers, classes or None, weights, what a row is of."""

    x: np.ndarray
    targets: np.ndarray
    classes: np.ndarray | None
    weights: np.ndarray
    by_position: bool = False


def _is_copy(inputs, y):
    return any(np.shape(a) == np.shape(y) and np.array_equal(a, y) for a in inputs)


def _table(inputs, y, task, weights, ids, rng, *, by_position):
    """Return one row for each sample, or for each position that has a target."""
    y = np.asarray(y)
    if y.dtype.kind not in "biuf" or not np.isfinite(y.astype("float64")).all():
        return None
    per_class = task in ("sparse", "categorical")
    own = y.ndim - (task == "categorical")
    places = y.shape[1:own]
    if per_class and places and places[-1:] == (1,):
        places = places[:-1]
    if task in ("binary", "multilabel", "regression") and places[-1:] == (1,):
        places = places[:-1]
    count = math.prod(places)
    # A row of numbers is one target for each column, and not for each position.
    rows_of_numbers = task != "sparse" and len(places) < 2
    many = per_class or not rows_of_numbers and count > MOST_TARGETS
    separate = _positions_of(inputs, places) if count > 1 else None
    if count > 1 and many and by_position:
        if separate is None:
            # The first position stands for all.
            first = y.reshape(len(y), count, -1)[:, 0]
            y = first if task == "categorical" else first[:, 0]
            if weights is not None:
                weights = positions(weights, (len(y), *places)).reshape(len(y), -1)[
                    :, 0
                ]
            return _table(inputs, y, task, weights, ids, rng, by_position=False)
        if task == "regression":
            # What a constant for each position explains says nothing of the inputs.
            y = y - y.mean(0)
        return _of_positions(inputs, separate, y, task, weights, places, ids, rng)
    if len({len(a) for a in inputs} | {len(y)}) > 1:
        return None
    w = positions(weights, y.shape).reshape(len(y), -1).mean(1)
    usable = np.flatnonzero(w > 0)
    order = usable[rng.permutation(len(usable))[:ROWS]]
    if not len(order):
        return None
    x = features_of([np.asarray(a) for a in inputs], order, ids)
    known = _targets(y[order], task)
    if x is None or known is None:
        return None
    target, classes = known
    return _Data(x, target, classes, w[order])


def _positions_of(inputs, places):
    """Return the index of an input that has a value at each position of the targets."""
    for index, array in enumerate(inputs):
        if np.shape(array)[1 : 1 + len(places)] == tuple(places):
            return index
    return None


def _of_positions(inputs, index, y, task, weights, places, ids, rng):
    """Return one row for each of some positions: the input there and around it."""
    array = np.asarray(inputs[index])
    if array.dtype.kind not in "biuf" or len(array) != len(y):
        return None
    flat_weights = positions(weights, (len(y), *places)).reshape(-1)
    usable = np.flatnonzero(flat_weights > 0)
    if not len(usable):
        return None
    chosen = usable[rng.permutation(len(usable))[: 2 * ROWS]]
    where = np.unravel_index(chosen, (len(y), *places))
    around = []
    for step in _neighborhood(len(places)):
        at = [
            np.clip(w + s, 0, n - 1)
            for w, s, n in zip(where[1:], step, places, strict=True)
        ]
        around.append(array[(where[0], *at)].reshape(len(chosen), -1))
    is_ids = index in ids
    x = features_of(
        around if is_ids else [np.concatenate(around, 1)],
        None,
        range(len(around)) if is_ids else (),
    )
    own = y.reshape(len(y) * math.prod(places), -1)[chosen]
    known = _targets(own, task)
    if x is None or known is None:
        return None
    target, classes = known
    return _Data(x, target, classes, flat_weights[chosen], by_position=True)


def _neighborhood(dimensions):
    """Return the steps to a position's surroundings.

    In a row these are the position and two before it, since the target may be what
    follows; in a plane 5 by 5.
    """
    reach = 2 if dimensions <= 2 else 0
    steps = range(-reach, 1 if dimensions == 1 else reach + 1)
    grids = np.meshgrid(*[steps] * dimensions, indexing="ij")
    return np.stack([grid.reshape(-1) for grid in grids], 1)


def _targets(y, task):
    """Return targets as a table, and each sample's class, None for a regression."""
    y = y.astype("float64").reshape(len(y), -1)
    if y.shape[1] > MOST_TARGETS:
        # Some of the numbers, evenly spaced, stand for all.
        y = y[:, :: -(-y.shape[1] // MOST_TARGETS)]
    if task == "sparse" and y.shape[1] == 1:
        values, classes = np.unique(y[:, 0], return_inverse=True)
        if len(values) > MOST_TARGETS:
            return None
        return np.eye(len(values))[classes.reshape(-1)], classes.reshape(-1)
    if task == "categorical":
        return y, y.argmax(1)
    if task == "binary" and y.shape[1] == 1:
        classes = (y[:, 0] > (y.min() + y.max()) / 2).astype(int)
        return np.eye(2)[classes], classes
    return None if task == "sparse" else (y, None)


def _ridge(x, y, half, weights):
    one = np.ones((len(x), 1))
    x, w = np.concatenate([x, one], 1), weights[:half, None]
    scaled = x[:half] * (w / max(w.mean(), 1e-12))
    gram = scaled.T @ x[:half] + 0.01 * half * np.eye(x.shape[1])
    mean = (y[:half] * w).sum(0) / max(w.sum(), 1e-12)
    return x @ np.linalg.solve(gram, scaled.T @ (y[:half] - mean)) + mean


def _random_features(z, rng):
    weights = rng.normal(size=(z.shape[1], RANDOM_FEATURES)) / np.sqrt(z.shape[1])
    hidden = np.maximum(z @ weights + rng.normal(size=RANDOM_FEATURES), 0)
    return np.concatenate([z, hidden], 1)


def _neighbors(z, y, half):
    a, b = z[half:], z[:half]
    far = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    nearest = np.argpartition(far, NEIGHBORS, 1)[:, :NEIGHBORS]
    # The samples that are fitted are not predicted, but take part in `_through`.
    return np.concatenate([y[:half], y[nearest].mean(1)])


def _through(width, guess, y, half):
    """Return a guess that has only so many dimensions: its principal components."""
    mean = guess[:half].mean(0)
    _, _, axes = np.linalg.svd(guess[:half] - mean, full_matrices=False)
    axes = axes[:width]
    return (guess - mean) @ axes.T @ axes + mean


def _repeat(x, y, w):
    """Return the skill of the best input that is given out unchanged."""
    mean = np.average(y, weights=w)
    variance = np.average((y - mean) ** 2, weights=w)
    if not variance:
        return 0.0
    errors = np.average((x - y[:, None]) ** 2, axis=0, weights=w)
    return float(max(0.0, 1 - errors.min() / variance))


def _skill(guess, y, classes, w):
    guess = guess[-len(y) :]
    if classes is None:
        mean = np.average(y, axis=0, weights=w)
        variance = np.average(((y - mean) ** 2).mean(1), weights=w)
        error = np.average(((guess - y) ** 2).mean(1), weights=w)
        return float(1 - error / variance) if variance else 0.0
    constant = np.bincount(classes, w).max() / w.sum()
    right = np.average(guess.argmax(1) == classes, weights=w)
    return float((right - constant) / (1 - constant)) if constant < 1 else 0.0


def _skill_of_surest(guess, classes, w):
    """Return the skill on the quarter of the samples with the clearest guess.

    Labels that are wrong at random are wrong there too, while what is hard to tell is
    mostly not there.
    """
    ordered = np.sort(guess, 1)
    order = np.argsort(ordered[:, -2] - ordered[:, -1], kind="stable")
    chosen = order[: max(1, len(order) // 4)]
    constant = np.bincount(classes, w).max() / w.sum()
    right = np.average(guess[chosen].argmax(1) == classes[chosen], weights=w[chosen])
    return float((right - constant) / (1 - constant)) if constant < 1 else 0.0
