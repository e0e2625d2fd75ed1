"""Scores of predictions, compared with numpy and scikit-learn."""

import numpy as np
import pytest

from kcomponents._recording.outputs import numbering_scores
from kcomponents._recording.sample import target_facts
from kcomponents._scoring.scores import (
    constant_scores,
    guessed_task,
    positions,
    scores,
    task_of,
)

pytestmark = pytest.mark.any_backend

RANDOM = np.random.default_rng(1)
WEIGHTS = np.array([1.0, 0.5, 2.0, 3.0, 0.25, 1.0])
LABELS = np.array([0, 2, 1, 1, 2, 0])
ROWS = np.eye(3)[LABELS]
SHARES = RANDOM.dirichlet([1, 1, 1], 6)
BITS, CHANCES = np.array([0, 1, 1, 0, 1, 1]), RANDOM.uniform(0.05, 0.95, (6, 1))
AMOUNTS, GUESSES = RANDOM.normal(size=(6, 2)), RANDOM.normal(size=(6, 2))
# A name for each: task, loss, targets and predictions.
CASES = {
    "sparse": ("sparse", "SparseCategoricalCrossentropy", LABELS, SHARES),
    "categorical": (
        "categorical",
        "CategoricalCrossentropy",
        np.eye(3)[LABELS],
        SHARES,
    ),
    "squares": ("categorical", "MeanSquaredError", np.eye(3)[LABELS], SHARES),
    "binary": ("binary", "BinaryCrossentropy", BITS, CHANCES),
    "hinge": ("binary", "Hinge", 2 * BITS - 1, 2 * CHANCES - 1),
    "multilabel": ("multilabel", "BinaryCrossentropy", ROWS, SHARES),
    "amounts": ("regression", "MeanSquaredError", AMOUNTS, GUESSES),
    "distances": ("regression", "MeanAbsoluteError", AMOUNTS, GUESSES),
    "chances": ("regression", "BinaryCrossentropy", SHARES, SHARES[::-1]),
    "guessed bits": ("binary", None, BITS, GUESSES[:, :1]),
    "guessed amounts": ("regression", None, AMOUNTS, GUESSES),
}


def assert_equal(found, expected):
    """Fail unless two dicts or tuples of numbers are equal."""
    if isinstance(found, dict):
        assert found.keys() == expected.keys()
        found, expected = found.values(), [expected[name] for name in found]
    for one, other in zip(found, expected, strict=True):
        assert one == (None if other is None else pytest.approx(other))


def without_spread(found):
    """Return scores without the one that is of the predictions alone."""
    return {name: value for name, value in found.items() if name != "spread"}


def test_scores_with_weights_are_weighted_means():
    y, p = LABELS, SHARES
    right = np.average(p.argmax(1) == y, weights=WEIGHTS)
    losses = -np.log(p[np.arange(6), y])
    for name in ("sparse", "categorical"):
        found = scores(*CASES[name], WEIGHTS)
        assert found["accuracy"] == pytest.approx(right)
        assert found["loss"] == pytest.approx(np.average(losses, weights=WEIGHTS))
    q = CHANCES[:, 0]
    losses = -np.log(np.where(BITS == 1, q, 1 - q))
    found = scores(*CASES["binary"], WEIGHTS)
    assert found["loss"] == pytest.approx(np.average(losses, weights=WEIGHTS))
    right = np.average((q > 0.5) == BITS, weights=WEIGHTS)
    assert found["accuracy"] == pytest.approx(right)


def test_errors_with_weights_are_shares_of_the_weighted_variance():
    found = scores(*CASES["amounts"], WEIGHTS)
    squares = np.average((GUESSES - AMOUNTS) ** 2, axis=0, weights=WEIGHTS).mean()
    mean = np.average(AMOUNTS, axis=0, weights=WEIGHTS)
    variance = np.average((AMOUNTS - mean) ** 2, axis=0, weights=WEIGHTS).mean()
    assert found["loss"] == pytest.approx(squares)
    assert found["error"] == pytest.approx(squares / variance)
    found = scores(*CASES["distances"], WEIGHTS)
    distances = np.average(np.abs(GUESSES - AMOUNTS), axis=0, weights=WEIGHTS).mean()
    assert found["loss"] == pytest.approx(distances)


def test_constant_scores_with_weights_are_those_of_weighted_shares():
    for name in ("sparse", "categorical"):
        task, loss, y, _ = CASES[name]
        shares = np.bincount(LABELS, WEIGHTS) / WEIGHTS.sum()
        entropy = -np.sum(shares * np.log(shares))
        assert_equal(constant_scores(task, loss, y, WEIGHTS), (entropy, shares.max()))
    share = np.average(BITS, weights=WEIGHTS)
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    found = constant_scores("binary", "BinaryCrossentropy", BITS, WEIGHTS)
    assert_equal(found, (entropy, max(share, 1 - share)))
    mean = np.average(AMOUNTS, axis=0, weights=WEIGHTS)
    variance = np.average((AMOUNTS - mean) ** 2, axis=0, weights=WEIGHTS).mean()
    found = constant_scores("regression", "MeanSquaredError", AMOUNTS, WEIGHTS)
    assert_equal(found, (variance, None))


def test_the_best_constant_of_distances_is_the_weighted_median():
    y = AMOUNTS[:, 0]
    found, _ = constant_scores("regression", "MeanAbsoluteError", y, WEIGHTS)
    # The best constant is one of the targets.
    tried = [np.average(np.abs(y - c), weights=WEIGHTS) for c in y]
    assert found == pytest.approx(min(tried))
    pictures = RANDOM.normal(size=(5, 2, 3))
    found, _ = constant_scores("regression", "MeanAbsoluteError", pictures)
    assert found == pytest.approx(np.abs(pictures - np.median(pictures, 0)).mean())


@pytest.mark.parametrize("name", CASES)
def test_equal_weights_change_nothing(name):
    task, loss, y, p = CASES[name]
    assert_equal(scores(task, loss, y, p, np.full(6, 3.0)), scores(task, loss, y, p))
    found = constant_scores(task, loss, y, np.full(6, 3.0))
    assert_equal(found, constant_scores(task, loss, y))


@pytest.mark.parametrize("name", CASES)
def test_rows_of_weight_zero_are_left_out(name):
    task, loss, y, p = CASES[name]
    # Far from all others, in what they are and in what is predicted.
    y = np.concatenate([y, y[:2] * 0 - (7 if task == "regression" else 0)])
    p = np.concatenate([p, p[1:3]])
    weights = np.append(WEIGHTS, [0.0, 0.0])
    found = without_spread(scores(task, loss, y, p, weights))
    kept = without_spread(scores(task, loss, y[:6], p[:6], WEIGHTS))
    assert found and found.keys() == kept.keys()
    assert_equal(found, kept)
    found = constant_scores(task, loss, y, weights)
    assert_equal(found, constant_scores(task, loss, y[:6], WEIGHTS))


def test_labels_of_rows_without_weight_do_not_move_the_middle_of_two_classes():
    y, p = np.append(BITS, -1), np.append(CHANCES, [[0.9]], axis=0)
    weights = np.array([1.0] * 6 + [0.0])
    found = without_spread(scores("binary", "BinaryCrossentropy", y, p, weights))
    assert_equal(found, without_spread(scores(*CASES["binary"])))
    found = constant_scores("binary", "BinaryCrossentropy", y, weights)
    assert_equal(found, constant_scores("binary", "BinaryCrossentropy", BITS))


def test_a_mask_leaves_positions_out():
    y = RANDOM.integers(0, 3, (4, 5))
    p = RANDOM.dirichlet([1, 1, 1], (4, 5))
    mask = np.arange(5) < np.array([[5], [2], [3], [1]])
    kept = scores("sparse", None, y[mask], p[mask])
    found = scores("sparse", None, y, p, mask)
    assert_equal(without_spread(found), without_spread(kept))
    rows = scores("categorical", None, np.eye(3)[y], p, mask)
    for name in ("accuracy", "loss", "recall"):
        assert rows[name] == pytest.approx(kept[name])
    found = constant_scores("sparse", None, y, mask)
    assert_equal(found, constant_scores("sparse", None, y[mask]))
    amounts = RANDOM.normal(size=(4, 5, 1))
    error = scores("regression", "MeanSquaredError", amounts, p[..., :1], mask)["loss"]
    assert error == pytest.approx(np.mean((amounts - p[..., :1])[mask] ** 2))


def test_nothing_is_scored_without_any_weight():
    for name in ("sparse", "categorical"):
        assert scores(*CASES[name], np.zeros(6)).keys() == {"spread"}
    assert "accuracy" not in scores(*CASES["binary"], np.zeros(6))


def test_weights_take_the_shape_of_the_positions():
    assert (positions(None, (2, 3)) == np.ones((2, 3))).all()
    rows = np.array([[2.0] * 3, [5.0] * 3])
    for given in (rows, rows[:, 0], rows[:, :1], rows[..., None]):
        assert (positions(given, (2, 3)) == rows).all()
    # Weights of another shape say nothing.
    assert (positions(np.zeros(7), (2, 3)) == 1).all()


def test_scores_without_a_loss_are_distances_from_chance():
    metrics = pytest.importorskip("sklearn.metrics")
    y = RANDOM.integers(0, 2, 60)
    # Rounded, so that some are equal.
    p = np.round(RANDOM.normal(size=(60, 1)) + y[:, None], 1)
    expected = 1 - abs(2 * metrics.roc_auc_score(y, p[:, 0]) - 1)
    for scaled in (p, -p, 1000 * p - 5):
        found = scores("binary", None, y, scaled)
        assert found["error"] == pytest.approx(expected)
        assert "accuracy" not in found and "loss" not in found
    weights = (np.arange(60) % 3 > 0).astype(float)
    kept = weights > 0
    expected = 1 - abs(2 * metrics.roc_auc_score(y[kept], p[kept, 0]) - 1)
    assert scores("binary", None, y, p, weights)["error"] == pytest.approx(expected)


def test_scores_without_a_loss_are_one_minus_a_squared_correlation():
    y = RANDOM.normal(size=(40, 1))
    p = y + RANDOM.normal(size=(40, 1))
    expected = 1 - np.corrcoef(y[:, 0], p[:, 0])[0, 1] ** 2
    for scaled in (p, -p, 1000 * p - 5):
        found = scores("regression", None, y, scaled)
        assert found["error"] == pytest.approx(expected)
    assert scores("regression", None, y, y * 0 + 3.0)["error"] == 1.0
    assert scores("regression", None, y, 2 - y)["error"] == pytest.approx(0.0)


def test_recall_is_in_the_order_of_the_classes():
    y = np.array([2, 0, 2, 1, 2, 1])
    guessed = np.array([2, 0, 0, 1, 2, 0])
    expected = [1.0, 0.5, 2 / 3]
    p = np.eye(3)[guessed]
    assert scores("sparse", None, y, p)["recall"] == pytest.approx(expected)
    rows = scores("categorical", None, np.eye(3)[y], p)
    assert rows["recall"] == pytest.approx(expected)
    y, p = np.array([1, 1, 0, 1]), np.array([[0.9], [0.1], [0.2], [0.3]])
    for loss, a, b in (("BinaryCrossentropy", y, p), ("Hinge", 2 * y - 1, 2 * p - 1)):
        found = scores("binary", loss, a, b)
        assert found["recall"] == pytest.approx([1.0, 1 / 3])


def test_targets_of_a_single_class_are_right_where_they_are_predicted():
    p = np.array([[0.9], [0.2], [0.7], [0.8]])
    ones = scores("binary", "BinaryCrossentropy", np.ones(4), p)
    assert ones["accuracy"] == 0.75 and ones["recall"] == [0.75]
    zeros = scores("binary", "BinaryCrossentropy", np.zeros(4), p)
    assert zeros["accuracy"] == 0.25 and zeros["recall"] == [0.25]
    hinge = scores("binary", "Hinge", -np.ones(4), 2 * p - 1)
    assert hinge["accuracy"] == 0.25


def test_known_regressions_of_rows_of_classes_have_the_loss_of_a_regression():
    y, p = np.eye(3)[LABELS], SHARES
    assert "loss" not in scores("categorical", "MeanSquaredError", y, p)
    loss, accuracy = constant_scores("categorical", "MeanSquaredError", y)
    assert loss == pytest.approx(y.var(0).mean())
    assert accuracy == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("y", "shape", "task"),
    [
        (np.eye(3), [3], "categorical"),
        (np.eye(3)[[[0, 1], [2, 1]]], [2, 3], "categorical"),
        (np.eye(3), [1], "unknown"),
        ([0, 1, 2], [3], "sparse"),
        ([[0], [1], [2]], [3], "sparse"),
        ([[0, 1], [2, 1]], [2, 3], "sparse"),
        # A class never occurs, or there are more than outputs.
        ([0, 2, 2], [3], "unknown"),
        ([0, 1, 2], [2], "unknown"),
        ([0, 1, 1], [1], "binary"),
        ([[0], [1]], [1], "binary"),
        ([0, 1, 1], [], "binary"),
        # Amounts that are counts, as much as classes.
        ([0, 3, 1], [1], "unknown"),
        ([-1, 1], [1], "unknown"),
        ([[0, 1], [1, 1]], [2, 1], "unknown"),
        ([0.5, 1.5], [1], "regression"),
        ([0.5, 1.5], [], "regression"),
        ([[0.5, 1.5]], [2], "regression"),
        ([0.5, 1.5], [2], "unknown"),
        # Nothing varies, or there are no numbers.
        ([1, 1], [1], "unknown"),
        (["a", "b"], [1], "unknown"),
    ],
)
def test_targets_and_outputs_suggest_a_task(y, shape, task):
    target = target_facts(np.array(y))
    assert guessed_task(target, shape) == task
    # With a loss there is no need to guess, and `task_of` does not.
    assert task_of(None, target, shape[-1] if shape else 1) == "unknown"


def test_no_task_is_guessed_without_targets():
    assert guessed_task({}, [3]) == "unknown"


def test_classes_that_are_renumbered_are_found_again():
    truth = np.repeat([0, 1, 2], [8, 4, 4])
    predictions = np.eye(3)[(truth + 1) % 3]
    assert numbering_scores(truth, predictions) == {"recall": 0.0, "renumbered": 1.0}
    assert numbering_scores(np.eye(3)[truth], predictions)["renumbered"] == 1.0
    assert numbering_scores(truth, np.eye(3)[truth])["recall"] == 1.0


def test_two_predicted_classes_do_not_get_one_number():
    # The frequent class is missed, which is no other numbering.
    truth = np.array([0] * 12 + [1, 2])
    predicted = np.array([1] * 6 + [2] * 6 + [1, 2])
    found = numbering_scores(truth, np.eye(3)[predicted])
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["renumbered"] == pytest.approx(2 / 3)
    assert numbering_scores(truth[:3], np.eye(3)[predicted]) == {}
