"""Bounds that follow the norms of the run: what they clip, remember and save."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.optimizers import NormPercentile, NormZScore, clipped
from kcomponents.testing import check_optimizer, compiled
from tests.backend_cases import once

BACKEND = keras.backend.backend()
NORMS = np.random.default_rng(0).lognormal(0, 1, 60).astype("float32")
BOUNDS = [NormPercentile(30, window=20), NormZScore(1.5, decay=0.9, warmup_steps=5)]


def sgd(adaptive, **arguments):
    return clipped(keras.optimizers.SGD(1.0, **arguments), adaptive=adaptive)


def steps_of(optimizer, norms):
    """Return how far each step moves a weight, where gradients have these norms."""
    weight, places = keras.Variable([0.0, 0.0]), [np.zeros(2)]
    for norm in norms:
        optimizer.apply([ops.array(np.array([0.6, 0.8], "float32") * norm)], [weight])
        places.append(np.array(ops.convert_to_numpy(weight)))
    return np.linalg.norm(np.diff(places, axis=0), axis=1)


def history_of(optimizer):
    """Return what the bound of an optimizer remembers."""
    return [ops.convert_to_numpy(variable) for variable in optimizer.norm_history]


def same(found, expected):
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-5, atol=1e-5)


def percentiles(norms, percentile, window, warmup_steps=1):
    """Return the lengths that AutoClip leaves."""
    found = []
    for step, norm in enumerate(norms):
        bound = np.percentile(norms[max(0, step + 1 - window) : step + 1], percentile)
        found.append(norm if step < warmup_steps else min(norm, bound))
    return found


def without_spikes(norms, threshold, decay, warmup_steps):
    """Return the lengths that ZClip leaves."""
    first = norms[:warmup_steps]
    mean, variance, found = first.mean(), first.var(), [*first]
    for norm in norms[warmup_steps:]:
        std = variance**0.5 + 1e-6
        z = (norm - mean) / std
        found.append(mean + threshold**2 / z * std if z > threshold else norm)
        mean = decay * mean + (1 - decay) * found[-1]
        variance = decay * variance + (1 - decay) * (found[-1] - mean) ** 2
    return found


@pytest.mark.parametrize(
    "percentile, window, warmup_steps",
    [(30, 20, 1), *once((0, 5, 1), (100, 60, 1), (50, 1000, 7), (10, 1, 1))],
)
def test_norms_are_clipped_to_a_percentile_of_those_seen(
    percentile, window, warmup_steps
):
    bound = NormPercentile(percentile, window, warmup_steps)
    expected = percentiles(NORMS, percentile, window, warmup_steps)
    same(steps_of(sgd(bound), NORMS), expected)


@pytest.mark.parametrize(
    "threshold, decay, warmup_steps", [(1.5, 0.9, 5), *once((0.5, 0.0, 2), (9, 0.5, 3))]
)
def test_spikes_are_clipped_to_near_the_moving_average(threshold, decay, warmup_steps):
    bound = NormZScore(threshold, decay, warmup_steps)
    expected = without_spikes(NORMS, threshold, decay, warmup_steps)
    same(steps_of(sgd(bound), NORMS), expected)


def test_names_stand_for_the_usual_arguments():
    for name, bound in (("percentile", NormPercentile()), ("zscore", NormZScore())):
        assert sgd(name).bounds.adaptive == bound
    assert NormZScore() != NormZScore(3.0) and NormZScore() != NormPercentile()
    assert repr(NormPercentile(5)) == (
        "NormPercentile(percentile=5.0, window=1000, warmup_steps=1)"
    )


@pytest.mark.parametrize("bound", BOUNDS, ids=repr)
def test_a_compiled_step_does_as_an_eager_one(bound):
    optimizer, weight = sgd(bound), keras.Variable([0.0, 0.0])
    optimizer.build([weight])
    grads = [np.array([0.6, 0.8], "float32") * norm for norm in NORMS[:12]]
    if BACKEND == "jax":
        state = [weight.value], [v.value for v in optimizer.variables]
        step = compiled(lambda t, o, g: optimizer.stateless_apply(o, [g], t))
        for grad in grads:
            state = step(*state, grad)
        [[place], *_] = state
    else:
        step = compiled(lambda grad: optimizer.apply([grad], [weight]))
        for grad in grads:
            step(ops.convert_to_tensor(grad))
        place = weight
    expected = steps_of(sgd(bound), NORMS[:12]).sum()
    assert np.linalg.norm(ops.convert_to_numpy(place)) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("bound", BOUNDS, ids=repr)
def test_gradients_of_zero_stay_zero(bound):
    norms = np.array([0, 0, 0, 0, 0, 0, 1, 0], "float32")
    found = steps_of(sgd(bound), norms)
    assert np.isfinite(found).all() and not found[:6].any() and found[7] == 0


@pytest.mark.parametrize("bound", BOUNDS, ids=repr)
@pytest.mark.parametrize("nonfinite", ["skip", *once(None)])
def test_a_gradient_that_is_not_finite_is_not_remembered(bound, nonfinite):
    optimizer, weight = keras.optimizers.SGD(1.0), keras.Variable([0.0])
    optimizer = clipped(optimizer, adaptive=bound, nonfinite=nonfinite)
    for norm in NORMS[:8]:
        optimizer.apply([ops.array([norm])], [weight])
    before = history_of(optimizer)
    for value in (np.nan, np.inf):
        optimizer.apply([ops.array([value], "float32")], [weight])
    assert np.isnan(ops.convert_to_numpy(weight)).all() == (nonfinite is None)
    same(history_of(optimizer), before)


@pytest.mark.parametrize("bound", BOUNDS, ids=repr)
def test_the_mean_of_accumulated_gradients_is_what_is_remembered(bound):
    several = sgd(bound, gradient_accumulation_steps=2)
    halves = np.stack([0.5 * NORMS, 1.5 * NORMS], axis=1).ravel()
    found = steps_of(several, halves[:40])
    assert not found[::2].any()
    one = sgd(bound)
    same(found[1::2], steps_of(one, NORMS[:20]))
    same(history_of(several), history_of(one))


@pytest.mark.parametrize("bound", BOUNDS, ids=repr)
def test_norms_are_remembered_without_the_loss_scale(bound):
    scaled, plain = sgd(bound, loss_scale_factor=8.0), sgd(bound)
    same(steps_of(scaled, 8 * NORMS[:12]), steps_of(plain, NORMS[:12]))
    same(history_of(scaled), history_of(plain))


def test_works_inside_loss_scaling():
    inner = sgd(NormPercentile(50))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.LossScaleOptimizer(inner, 8.0), "mse")
    model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=2, verbose=0)
    norms, count = history_of(inner)
    assert count == 4 and np.isfinite(norms).sum() == 4


def test_finer_and_coarser_bounds_hold_too():
    bounds = {"clipvalue": 2.0, "adaptive": NormPercentile(100), "global_clipnorm": 1.0}
    optimizer = clipped(keras.optimizers.SGD(1.0), **bounds)
    same(steps_of(optimizer, np.array([100, 0.5], "float32")), [1.0, 0.5])
    # The norm of what `clipvalue` leaves.
    assert history_of(optimizer)[0][0] == pytest.approx(8**0.5)


@pytest.mark.parametrize("bound", BOUNDS, ids=repr)
def test_a_model_from_a_file_trains_on_with_what_was_remembered(bound, tmp_path):
    x = np.random.default_rng(1).normal(size=(32, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = clipped(keras.optimizers.Adam(0.1), adaptive=bound)
    model.compile(optimizer, "mse")
    options = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(x, x[:, :1], **options)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.optimizer.bounds.adaptive == bound
    same(history_of(again.optimizer), history_of(model.optimizer))
    for each in (model, again):
        each.fit(x, x[:, :1], **options)
    same(again.get_weights(), model.get_weights())
    same(history_of(again.optimizer), history_of(model.optimizer))


def test_a_built_optimizer_keeps_its_state_and_begins_to_remember():
    weight = keras.Variable([0.0])
    plain, reference = (keras.optimizers.Adam(0.1) for _ in range(2))
    for optimizer in (plain, reference):
        optimizer.apply([ops.array([3.0])], [weight])
    wrapped = clipped(plain, adaptive="zscore")
    count = len(reference.variables)
    same(
        [v.numpy() for v in wrapped.variables[:count]],
        [v.numpy() for v in reference.variables],
    )
    assert not any(map(np.any, history_of(wrapped)))


@pytest.mark.any_backend
@pytest.mark.parametrize("bound", BOUNDS, ids=repr)
def test_passes_the_checks_of_an_optimizer(bound):
    check_optimizer(lambda **k: clipped(keras.optimizers.Adam(**k), adaptive=bound))


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: clipped("sgd", adaptive="zsore"), "Did you mean one of 'zscore'"),
        (lambda: clipped("sgd", adaptive=0.1), "`adaptive` must be.*Received"),
        (lambda: NormPercentile(101), "`percentile`.*Received"),
        (lambda: NormPercentile(window=0), "`window`.*Received"),
        (lambda: NormPercentile(warmup_steps=1.5), "`warmup_steps`.*Received"),
        (lambda: NormZScore(0), "`threshold`.*Received"),
        (lambda: NormZScore(decay=1.0), "`decay` must be below 1.*Received"),
        (lambda: NormZScore(warmup_steps=1), "at least 2.*Received"),
    ],
)
def test_rejects_invalid_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
