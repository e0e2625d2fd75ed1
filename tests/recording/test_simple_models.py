"""Simple models reach what inputs tell about targets, and no more."""

import numpy as np
import pytest

from kcomponents._scoring.simple_models import reachable, work_of

pytestmark = pytest.mark.any_backend


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def test_bags_of_ids_tell_a_class_that_depends_on_which_ids_occur(rng):
    ids = rng.integers(0, 50, (600, 10))
    # Ids of one kind have no size in common.
    kind = rng.permutation(50) < 6
    y = kind[ids].any(1).astype(int)
    found = reachable([ids], y, "binary", ids=[0])
    assert found["best"] > 0.7
    assert reachable([ids], y, "binary")["best"] < 0.3


def test_ids_are_never_numbers(rng):
    ids = rng.integers(0, 30, (500, 6))
    y = ids.sum(1) + rng.normal(size=500)
    others = rng.permutation(30)[ids]
    as_ids = [reachable([a], y, "regression", ids=[0])["linear"] for a in (ids, others)]
    assert as_ids[0] == pytest.approx(as_ids[1])
    as_numbers = [reachable([a], y, "regression")["linear"] for a in (ids, others)]
    assert as_numbers[0] > 0.9 and as_numbers[1] < 0.3


def test_ids_and_numbers_are_told_apart_by_their_places(rng):
    ids, x = rng.integers(0, 40, (600, 1)), rng.normal(size=(600, 2))
    effect = rng.normal(size=40)
    y = effect[ids[:, 0]] + x[:, 0]
    both = reachable([x, ids], y, "regression", ids=[1])["linear"]
    assert both > 0.8
    assert reachable([x, ids], y, "regression")["linear"] < 0.7


def test_a_tag_depends_on_the_token_at_its_position(rng):
    tokens = rng.integers(0, 20, (60, 12))
    tags = (rng.permutation(20) % 4)[tokens]
    for task, y in (("sparse", tags), ("categorical", np.eye(4)[tags])):
        found = reachable([tokens], y, task, ids=[0])
        assert found["best"] > 0.9


def test_a_tag_may_depend_on_the_tokens_before_but_not_on_those_after(rng):
    tokens = rng.integers(0, 8, (100, 20))
    before, after = np.roll(tokens, 1, 1)[:, 1:], np.roll(tokens, -1, 1)[:, :-1]
    found = reachable([tokens[:, 1:]], before, "sparse", ids=[0])
    # The first position of each sample has none before.
    assert found["best"] > 0.8
    # The next token is not among the inputs around, which would make it trivial.
    found = reachable([tokens[:, :-1]], after, "sparse", ids=[0])
    assert found["best"] < 0.1


def test_masked_positions_are_left_out(rng):
    tokens = rng.integers(1, 9, (80, 12))
    tags = tokens % 3
    mask = rng.random(tags.shape) < 0.5
    noise = rng.integers(0, 3, tags.shape)
    noisy = np.where(mask, tags, noise)
    assert reachable([tokens], noisy, "sparse", ids=[0])["best"] < 0.8
    found = reachable([tokens], noisy, "sparse", ids=[0], weights=mask)
    assert found["best"] == pytest.approx(1.0)


def test_a_pixel_of_a_mask_depends_on_the_pixels_around(rng):
    images = rng.normal(size=(12, 20, 20, 1)).astype("float32")
    y = (images > 0.3).astype(int)
    assert reachable([images], y, "binary")["best"] > 0.8
    noise = rng.integers(0, 2, y.shape)
    assert reachable([images], noise, "binary")["best"] < 0.1


def test_of_positions_that_no_input_has_the_first_stands_for_all(rng):
    x, y = rng.normal(size=(200, 3)), rng.integers(0, 3, (200, 5))
    assert reachable([x], y, "sparse")["signal"] < 0.05
    y[:, 0] = x[:, 0] > 0
    assert reachable([x], y, "sparse")["signal"] > 0.4
    assert reachable([x], np.eye(3)[y], "categorical")["signal"] > 0.4
    nothing = np.zeros(y.shape)
    assert reachable([x], y, "sparse", weights=nothing) is None


def test_a_constant_for_each_pixel_is_no_signal(rng):
    x = rng.normal(size=(80, 15, 15, 1))
    y = np.broadcast_to(np.arange(225.0).reshape(15, 15, 1), (80, 15, 15, 1))
    assert reachable([x], y + rng.normal(size=y.shape), "regression")["signal"] < 0.05


def test_a_random_walk_repeats_its_last_value(rng):
    walk = np.cumsum(rng.normal(size=500))
    windows = np.lib.stride_tricks.sliding_window_view(walk, 9)
    x, y = windows[:, :-1, None], windows[:, -1]
    found = reachable([x], y, "regression")
    assert found["repeat"] > 0.9 and found["best"] >= found["repeat"]
    steps = np.diff(walk)
    windows = np.lib.stride_tricks.sliding_window_view(steps, 9)
    found = reachable([windows[:, :-1]], windows[:, -1], "regression")
    assert found["repeat"] == 0.0 and found["best"] < 0.1


def test_an_autoencoder_reaches_its_principal_components(rng):
    scales = np.array([4.0, 3.0, 1.0, 1.0, 1.0])
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    x = (rng.normal(size=(1000, 5)) * scales) @ turn
    shares = np.cumsum(np.linalg.eigvalsh(np.cov(x.T))[::-1]) / np.trace(np.cov(x.T))
    for width in (1, 2, 3):
        found = reachable([x], x, "regression", width=width)
        assert found["best"] == pytest.approx(shares[width - 1], abs=0.05)


def test_what_copies_an_input_on_an_unknown_way_is_not_judged(rng):
    x = rng.normal(size=(100, 4))
    assert reachable([x], x, "regression") is None
    assert reachable([x], x, "regression", width=4) is None
    assert reachable([x, x[:, :1]], x, "regression") is None
    # A single number is no copy of much.
    assert reachable([x[:, :1]], x[:, :1], "regression")["best"] > 0.9


def test_samples_of_weight_zero_are_left_out(rng):
    x = rng.normal(size=(400, 3))
    y = x @ [1.0, -2.0, 0.5]
    weights = (np.arange(400) % 2).astype(float)
    wrong = np.where(weights > 0, y, 50 * rng.normal(size=400))
    found = reachable([x], wrong, "regression", weights=weights)
    assert found["linear"] > 0.95
    assert reachable([x], wrong, "regression")["best"] < 0.2
    kept = weights > 0
    alone = reachable([x[kept]], y[kept], "regression")
    assert found == pytest.approx(alone)
    # Too few are left.
    weights[39:] = 0
    assert reachable([x], y, "regression", weights=weights) is None


def test_weights_move_the_constant_that_skill_is_measured_from(rng):
    x = rng.normal(size=(900, 1))
    y = (x[:, 0] + rng.normal(size=900) > 1.8).astype(int)
    assert reachable([x], y, "binary")["best"] < 0.3
    weights = np.where(y == 1, 8.0, 1.0)
    assert reachable([x], y, "binary", weights=weights)["best"] > 0.4


def test_the_signal_is_what_varies_of_rare_classes(rng):
    x = rng.normal(size=(1000, 2))
    chance = np.clip(0.15 + 0.12 * x[:, 0], 0, 0.45)
    y = (rng.random(1000) < chance).astype(int)
    found = reachable([x], y, "binary")
    # Nothing is more accurate than the constant, but something is known.
    assert found["best"] < 0.05 and found["signal"] > 0.03
    noise = reachable([x], rng.permutation(y), "binary")
    assert noise["signal"] < found["signal"] / 2


def test_inputs_that_do_not_vary_tell_nothing():
    found = reachable([np.ones((60, 3))], np.arange(60.0), "regression")
    assert found == {"linear": 0.0, "best": 0.0, "repeat": 0.0, "signal": 0.0}


def test_simple_models_need_finite_numbers_of_equal_length(rng):
    x, y = rng.normal(size=(60, 3)), np.arange(60.0)
    assert reachable([x], np.where(y > 3, y, np.nan), "regression") is None
    assert reachable([np.where(x > 2, np.inf, x)], y, "regression") is None
    assert reachable([x[:50]], y, "regression") is None
    assert reachable([x], np.array(["a"] * 60), "sparse") is None


def test_a_picture_is_told_by_where_it_is_bright_and_by_its_texture(rng):
    y = rng.integers(0, 2, 300)
    images = rng.normal(size=(300, 28, 28, 1))
    bright = images.copy()
    bright[y == 1, 5:12, 5:12] += 1.0
    assert reachable([bright], y, "binary")["best"] > 0.9
    smooth = images.copy()
    smooth[y == 1] = (smooth + np.roll(smooth, 1, 1))[y == 1] / np.sqrt(2)
    assert reachable([smooth], y, "binary")["best"] > 0.9


def test_work_grows_with_rows_features_and_targets():
    base = work_of(1000, 50, 1)
    assert work_of(2000, 50, 1) > base
    assert work_of(1000, 100, 1) > base
    assert work_of(1000, 50, 2) == base + 1000 * 250


def test_the_surest_samples_are_right_unless_labels_are_wrong(rng):
    x = rng.normal(size=(1000, 3))
    y = (x @ [1.0, 1.0, 0.0] + 0.3 * rng.normal(size=1000) > 0).astype(int)
    for task, as_targets in (("binary", y), ("categorical", np.eye(2)[y])):
        assert reachable([x], as_targets, task)["surest"] > 0.95
    # Half of the labels are those of other samples, a quarter is wrong.
    wrong = np.where(rng.random(1000) < 0.5, rng.permutation(y), y)
    assert reachable([x], wrong, "binary")["surest"] == pytest.approx(0.5, abs=0.2)


def test_of_positions_and_numbers_no_sample_is_the_surest(rng):
    tokens = rng.integers(0, 20, (60, 12))
    assert "surest" not in reachable([tokens], tokens % 4, "sparse", ids=[0])
    x = rng.normal(size=(100, 3))
    assert "surest" not in reachable([x], x[:, :1], "regression")


def test_a_single_class_has_no_surest_samples(rng):
    # As of one unit with the loss of several classes.
    x, y = rng.normal(size=(100, 3)), rng.integers(0, 2, (100, 1))
    assert "surest" not in reachable([x], y, "categorical")


def test_a_weight_of_zero_takes_a_wrong_label_out(rng):
    x = rng.normal(size=(1000, 3))
    y = (x[:, 0] > 0).astype(int)
    wrong = rng.random(1000) < 0.6
    labels = np.where(wrong, rng.permutation(y), y)
    found = reachable([x], labels, "binary", weights=1.0 - wrong)
    assert found["surest"] > 0.95
