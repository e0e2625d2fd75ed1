"""Quick baselines: the scores of simple models that a deep network should beat."""

import warnings

import numpy as np

from kcomponents.doctor.data.arrays import classes_of, outputs_of, random_rows
from kcomponents.doctor.data.values import are_pixels, may_be_ids

ROWS, COLUMNS, FEWEST, FEWEST_HELD = 5_000, 500, 30, 9
CLASSES, OUTPUTS = 50, 5
PERFECT, ONE_SIDED = 0.99, 0.9
# Small trees of some of the columns: quick, and good enough to compare with.
TREES = {
    "learning_rate": 0.2,
    "max_leaf_nodes": 15,
    "max_features": 0.3,
    "early_stopping": False,
}


def baseline(training, validation, kind, seed):
    """Yield the scores of a constant, a linear model and boosted trees."""
    if kind in (None, "positions") or training.rows < FEWEST:
        return
    outputs = outputs_of(training.target, kind)
    if outputs > CLASSES:
        yield f"No quick baselines: y has {outputs:,} outputs, more than {CLASSES}."
        return
    try:
        import sklearn  # noqa: F401
    except ImportError:
        yield 'Quick baselines need scikit-learn: `pip install "kcomponents[data]"`.'
        return
    parts = _parts(training, validation, kind, np.random.default_rng(seed))
    if len(np.unique(parts[1], axis=0)) > 1:
        ids = any(map(may_be_ids, training.inputs.values()))
        constant, losses = _losses(kind, parts, outputs, seed)
        yield _sentence(kind, constant, losses, ids)


def _parts(training, validation, kind, generator):
    """Return inputs and targets to fit, then those to score."""
    positions = sum(int(array[0].size) for array in training.inputs.values())
    columns = np.sort(generator.permutation(positions)[:COLUMNS])
    if validation is None or validation.rows < FEWEST_HELD:
        mixed = generator.permutation(training.rows)[:ROWS]
        held = len(mixed) * 3 // 10
        fit, score = (training, mixed[held:]), (training, mixed[:held])
    else:
        fit = (training, random_rows(generator, training, ROWS))
        score = (validation, random_rows(generator, validation, ROWS))
    parts = []
    for data, rows in (fit, score):
        y = data.target[rows]
        classes = classes_of(y, kind)
        y = y.reshape(len(y), -1).astype("float64") if classes is None else classes
        parts += [data.table(rows, columns), y]
    return parts


def _losses(kind, parts, outputs, seed):
    """Return each held-out sample's loss: of the constant, then of each model."""
    x, y, held_x, truth = parts
    classes = y.ndim == 1
    if classes:
        values, counts = np.unique(y, return_counts=True)
        constant = np.full(len(truth), values[counts.argmax()])
    else:
        mean, std = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-12)
        y, truth = (y - mean) / std, (truth - mean) / std
        constant = np.zeros_like(truth)
    predictions = {}
    for name, model in _models(classes, outputs, seed).items():
        # Few iterations are enough here, even if they have not converged.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            predictions[name] = model.fit(x, y).predict(held_x).reshape(truth.shape)
    if classes:
        return constant != truth, {name: a != truth for name, a in predictions.items()}
    squares = {name: ((a - truth) ** 2).mean(axis=1) for name, a in predictions.items()}
    return (truth**2).mean(axis=1), squares


def _models(classes, outputs, seed):
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = LogisticRegression(max_iter=50) if classes else Ridge()
    models = {"linear": make_pipeline(StandardScaler(), linear)}
    # Each output needs a tree per iteration.
    settings = {**TREES, "max_iter": max(5, 100 // outputs), "random_state": seed}
    if classes:
        models["boosted trees"] = HistGradientBoostingClassifier(**settings)
    elif outputs <= OUTPUTS:
        trees = HistGradientBoostingRegressor(**settings)
        models["boosted trees"] = MultiOutputRegressor(trees)
    return models


def _sentence(kind, constant, losses, ids):
    """Return the scores, and what they mean for a deep network, in one sentence."""
    if kind in ("labels", "one_hot"):
        name, scores = "accuracy", {k: 1 - v.mean() for k, v in losses.items()}
        scores = {"constant": 1 - constant.mean(), **scores}
    else:
        # Guards against held-out targets that are constant.
        total = max(constant.mean(), 1e-12)
        name, scores = "R^2", {k: 1 - v.mean() / total for k, v in losses.items()}
        scores = {"constant": 0.0, **scores}
    shown = ", ".join(f"{model} {score:.2f}" for model, score in scores.items())
    gains = {model: _beats(constant, loss) for model, loss in losses.items()}
    opening = f"Quick baselines, {name} on {len(constant):,} held-out samples: {shown};"
    return f"{opening} {_verdict(scores, gains, ids)}."


def _beats(constant, loss):
    """Return whether a model beats the constant by more than two standard errors."""
    gain = constant.astype("float64") - loss
    return bool(gain.mean() > 2 * gain.std() / np.sqrt(len(gain)))


def _verdict(scores, gains, ids):
    trees = scores.get("boosted trees", -np.inf)
    if not any(gains.values()):
        if scores["constant"] > ONE_SIDED:
            return "accuracy says little when nearly all samples belong to one class"
        found = "no signal found" + ids * " (these models cannot use ids)"
        return f"{found}: none beats the constant by two standard errors"
    if scores["linear"] > PERFECT:
        return "a linear model is nearly perfect, so a deep network has little to add"
    if trees > PERFECT:
        return "boosted trees are nearly perfect, so a deep network has little to add"
    if not gains["linear"]:
        return "the relation is not linear, so a network needs hidden layers"
    return f"a deep network should beat {max(scores['linear'], trees):.2f}"


# Correlation of neighboring inputs, which convolutions and recurrence need.

POSITIONS, FEWEST_ROWS = 8, 20
MOST_ROWS, PAIRS = 2_000, 1_000
# On Fisher's scale (arctanh), 0.99 vs 0.95 differs as much as 0.65 vs 0.
CLEARLY, SURE = 0.1, 3.0


def neighbors(data, generator):
    """Yield, for each input with positions, whether neighbors correlate more."""
    if data.rows < FEWEST_ROWS:
        return
    rows = random_rows(generator, data, MOST_ROWS)
    for name, array in data.inputs.items():
        axes = places_of(array.shape)
        if axes and max(array.shape[axis] for axis in axes) >= POSITIONS:
            yield from _compared(name, array, rows, axes, generator)


def places_of(shape):
    """Return the axes of positions: all but samples and channels."""
    if len(shape) == 2:
        return (1,)
    return tuple(range(1, len(shape) - 1))


def _compared(name, array, rows, axes, generator):
    shape = array.shape[1:]
    here, near, far = _pairs(shape, [axis - 1 for axis in axes], generator)
    flat = array.reshape(len(array), -1)
    close = _correlation(flat, rows, here, near)
    apart = _correlation(flat, rows, here, far)
    if close is None or apart is None:
        return
    scores = f"{close.mean():.2f}, random pairs {apart.mean():.2f}"
    text = f"Neighbors in {name} correlate {scores}"
    if _clearly_more(close, apart, len(np.unique(here))):
        yield f"{text}: convolutions can use that."
    elif are_pixels(array) or not may_be_ids(array):
        use = "convolutions and recurrence have little to use"
        yield f"{text}, not clearly more: {use}."


def _clearly_more(close, apart, places):
    """Return whether neighbors correlate more than chance explains."""
    scores = [np.arctanh(min(part.mean(), 0.9999)) for part in (close, apart)]
    chance = SURE * apart.std() / np.sqrt(min(places, len(close)))
    return scores[0] - scores[1] > CLEARLY and close.mean() - apart.mean() > chance


def _pairs(shape, axes, generator):
    """Return flat positions, their neighbors, and random ones of the same channel."""
    axes = [axis for axis in axes if shape[axis] > 1]
    place = np.stack([generator.integers(0, size, PAIRS) for size in shape])
    far, step = place.copy(), np.zeros_like(place)
    for axis in axes:
        far[axis] = generator.integers(0, shape[axis], PAIRS)
    step[generator.choice(axes, PAIRS), np.arange(PAIRS)] = 1
    # The last position steps back.
    step = np.where(place + step < np.array(shape)[:, None], step, -step)
    beyond = np.abs(far - place).sum(axis=0) > 1
    far = np.where(beyond, far, place)
    return [np.ravel_multi_index(tuple(at), shape) for at in (place, place + step, far)]


def _correlation(flat, rows, first, second):
    """Return the absolute correlations of these pairs of columns."""
    distinct = first != second
    one, other = (
        flat[np.ix_(rows, at[distinct])].astype("float64") for at in (first, second)
    )
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    sizes = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    varying = sizes > 0
    if not varying.any():
        return None
    return np.abs((one * other).sum(axis=0)[varying]) / sizes[varying]
