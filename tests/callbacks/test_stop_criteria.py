"""Stop criteria, checked against sequences computed by hand."""

import math
import pickle

import pytest

from kcomponents.callbacks import (
    GL,
    PQ,
    UP,
    GeneralizationLoss,
    Patience,
    ProgressQuotient,
    SuccessiveIncreases,
)
from kcomponents.callbacks.stop_criteria import Check

pytestmark = pytest.mark.any_backend

CRITERIA = [Patience(2), GL(5), PQ(0.2, strip=2), UP(2, strip=2)]


def stop(criterion, scores, losses=None, mode="min"):
    """Return the index of the check after which to stop, or None."""
    criterion.start(mode)
    best = None
    for place, score in enumerate(scores):
        worse = best is not None and not (
            score < best if mode == "min" else score > best
        )
        best = best if worse else score
        loss = losses[place] if losses else None
        if criterion.update(Check(score, loss, not worse, not worse)):
            return place
    return None


@pytest.mark.parametrize("n, place", [(0, 3), (1, 3), (2, 4), (3, 5), (4, None)])
def test_patience_waits_for_n_checks_without_improvement(n, place):
    assert stop(Patience(n), [3.0, 2.0, 1.0, 2.0, 1.5, 1.2, 0.9]) == place


def test_patience_restarts_only_beyond_the_baseline():
    criterion = Patience(3)
    # Each score improves, but none beats the baseline.
    found = [criterion.update(Check(s, None, True, False)) for s in (9, 8, 7)]
    assert found == [False] * 3
    assert criterion.update(Check(7, None, False, False))


@pytest.mark.parametrize("alpha, place", [(4.9, 2), (5.1, 3), (20.1, 5), (60, None)])
def test_generalization_loss_is_the_excess_over_the_minimum_error(alpha, place):
    # GL: 0, 0, 5, 20, 0, 50.
    assert stop(GL(alpha), [2.0, 1.0, 1.05, 1.2, 0.8, 1.2]) == place


def test_generalization_loss_of_a_perfect_score_is_infinite_after_it():
    assert stop(GL(1000), [1.0, 0.0, 0.0, 1e-9]) == 3


@pytest.mark.parametrize(
    "alpha, place", [(0.09, 3), (0.11, 5), (0.24, 5), (0.26, None)]
)
def test_progress_quotient_is_loss_over_gain_at_the_ends_of_strips(alpha, place):
    scores = [1.0, 1.0, 1.0, 1.25, 1.1, 1.5]
    losses = [3.0, 1.0, 1.5, 1.0, 1.0, 1.4]
    # Strips of 2: GL 0, 25, 50; P 1000, 250, 200; GL / P 0, 0.1, 0.25.
    assert stop(PQ(alpha, strip=2), scores, losses) == place


def test_progress_quotient_stops_if_training_makes_no_progress():
    assert stop(PQ(100, strip=2), [1.0, 2.0], [1.0, 1.0]) == 1
    assert stop(PQ(100, strip=2), [2.0, 2.0, 1.0, 1.0], [1.0] * 4) is None


@pytest.mark.parametrize("strips, place", [(1, 5), (2, 11), (3, None)])
def test_up_counts_strips_at_whose_ends_the_error_rose(strips, place):
    # Ends of strips of 2: 5, 4, 6, 3, 4, 5: up at the third, the fifth, the sixth.
    scores = [9, 5, 1, 4, 2, 6, 7, 3, 0, 4, 0, 5]
    assert stop(UP(strips, strip=2), scores) == place


def test_a_strip_has_5_checks_by_default():
    scores, losses = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert stop(PQ(0.01), scores, losses) == 4
    rising = list(range(30))
    # The first strip that can be worse than another one is the second.
    assert [stop(UP(strips), rising) for strips in (1, 2)] == [9, 14]


def test_up_needs_3_strips_by_default():
    assert stop(UP(), list(range(30))) == 19


def test_up_accepts_scores_to_maximize():
    scores = [1, 5, 1, 4]
    assert stop(UP(1, strip=2), scores, mode="max") == 3
    assert stop(UP(1, strip=2), scores) is None


def test_scores_that_are_not_finite_are_the_worst():
    assert stop(GL(1000), [1.0, math.inf]) == 1
    assert stop(UP(1, strip=1), [1.0, math.inf]) == 1


@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
def test_resumes_from_its_state(criterion):
    scores, losses = [3.0, 2.0, 2.5, 2.4, 2.6, 2.7, 2.9, 3.0], [4.0, 3.0] * 4
    whole = stop(criterion, scores, losses)
    assert whole is not None
    for place in range(1, whole):
        assert stop(criterion, scores[:place], losses[:place]) is None
        state = criterion.get_state()
        criterion.start("min")
        criterion.set_state(state)
        found, best = [], min(scores[:place])
        for score, loss in list(zip(scores, losses, strict=True))[place : whole + 1]:
            better = score < best
            best = min(best, score)
            found.append(criterion.update(Check(score, loss, better, better)))
        assert found == [False] * (whole - place) + [True]


@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
def test_resets_when_it_starts(criterion):
    scores, losses = [3.0, 2.0, 2.5, 2.4, 2.6, 2.7, 2.9, 3.0], [4.0, 3.0] * 4
    first = stop(criterion, scores, losses)
    assert stop(criterion, scores, losses) == first


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Patience(-1), "`patience` must be .* Received: patience=-1"),
        (lambda: Patience(1.5), "`patience`"),
        (lambda: GL(0), "`alpha`"),
        (lambda: PQ(1, strip=0), "`strip`"),
        (lambda: PQ(-1), "`alpha`"),
        (lambda: UP(0), "`strips`"),
        (lambda: UP(1, strip=2.5), "`strip`"),
        (lambda: GL(1).start("max"), r"GeneralizationLoss\(1\) needs a score to mini"),
        (
            lambda: PQ(1).start("max"),
            r"ProgressQuotient\(1, strip=5\) needs a score to minimize",
        ),
        (lambda: stop(GL(1), [-1.0]), "at least 0.* Received: score=-1.0"),
        (lambda: stop(PQ(1), [1.0]), "needs the training loss"),
    ],
)
def test_rejects_invalid_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_names_in_the_paper_are_the_same_classes():
    assert (GL, PQ, UP) == (GeneralizationLoss, ProgressQuotient, SuccessiveIncreases)
    assert repr(GL(5)) == "GeneralizationLoss(5)"
    assert repr(PQ(0.5)) == "ProgressQuotient(0.5, strip=5)"
    assert repr(UP(2, strip=3)) == "SuccessiveIncreases(2, strip=3)"


@pytest.mark.parametrize(
    "criterion, short", [(GL(5), b"GL"), (PQ(0.5), b"PQ"), (UP(2), b"UP")]
)
def test_a_saved_criterion_loads_under_either_name(criterion, short):
    saved = pickle.dumps(criterion, protocol=0)
    name = type(criterion).__name__.encode()
    assert name in saved
    for text in (saved, saved.replace(name, short)):
        loaded = pickle.loads(text)
        assert type(loaded) is type(criterion) and repr(loaded) == repr(criterion)
        assert loaded.get_state() == criterion.get_state()
