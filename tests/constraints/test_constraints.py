"""Constraints against their definitions."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import constraints, regularizers
from kcomponents.constraints import (
    Clip,
    MaxNorm,
    MinMaxNorm,
    ProximalGroup,
    SoftThreshold,
    UnitInterval,
    UnitNorm,
)
from kcomponents.testing import check_constraint
from tests.keras_own import cases, run, theirs_in

constraints_test = theirs_in("constraints.constraints_test")

W = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
OURS = [MaxNorm(0.5), UnitNorm(), MinMaxNorm(0.5, 0.8, 0.9), Clip(0.3), UnitInterval()]


def apply(constraint, w):
    return ops.convert_to_numpy(constraint(ops.convert_to_tensor(w)))


def norms(w, axis):
    return np.sqrt(np.square(w).sum(axis=axis, keepdims=True))


OWN = [case for case in cases(constraints_test) if "norm" in case.id]


@pytest.mark.parametrize("case", OWN)
def test_passes_the_tests_of_keras(case, monkeypatch):
    for name in ("MaxNorm", "UnitNorm", "MinMaxNorm"):
        ours = getattr(constraints, name)
        monkeypatch.setattr(constraints_test.constraints, name, ours)
    run(case)


@pytest.mark.parametrize("constraint", [*OURS, ProximalGroup(0.2), SoftThreshold(0.2)])
def test_passes_the_checks_of_a_constraint(constraint):
    check_constraint(constraint)


@pytest.mark.parametrize(
    "shape", [(7,), (4, 5), (2, 4, 5), (2, 3, 4, 5), (1,) * 4 + (5,)]
)
def test_auto_bounds_the_incoming_weights_of_each_unit(shape):
    w = 3 * np.random.default_rng(1).normal(size=shape).astype("float32")
    axes = tuple(range(len(shape) - 1)) or (0,)
    found = apply(MaxNorm(1.5), w)
    desired = w * np.minimum(norms(w, axes), 1.5) / norms(w, axes)
    np.testing.assert_allclose(found, desired, rtol=1e-5)
    unit = apply(UnitNorm(), w)
    np.testing.assert_allclose(norms(unit, axes), 1, rtol=1e-5)


def test_filters_are_bounded_unlike_by_the_default_of_keras():
    theirs = apply(keras.constraints.MaxNorm(1.0), W)
    assert norms(theirs, (0, 1, 2)).max() > 2
    assert norms(apply(MaxNorm(1.0), W), (0, 1, 2)).max() < 1 + 1e-5


@pytest.mark.parametrize("axis", [0, -1, [0, 1, 2], (1, 2)])
@pytest.mark.parametrize(
    "name, arguments",
    [("MaxNorm", {"max_value": 1}), ("UnitNorm", {}), ("MinMaxNorm", {"rate": 0.3})],
)
def test_a_given_axis_works_as_in_keras(name, arguments, axis):
    ours = getattr(constraints, name)(axis=axis, **arguments)
    theirs = getattr(keras.constraints, name)(axis=axis, **arguments)
    np.testing.assert_allclose(apply(ours, W), apply(theirs, W), rtol=1e-6)


def test_rate_moves_norms_part_of_the_way_to_the_bounds():
    w = np.array([[4.0, 0.1]], "float32")
    found = apply(MinMaxNorm(0.5, 2.0, rate=0.5), w)
    np.testing.assert_allclose(found, [[3.0, 0.3]], rtol=1e-5)


@pytest.mark.parametrize("constraint", [MaxNorm(1.0), UnitNorm(), ProximalGroup(1.0)])
def test_norms_of_float16_weights_do_not_overflow(constraint):
    w = np.full((300, 2), 20, "float16")
    expected = apply(constraint, w.astype("float32"))
    np.testing.assert_allclose(apply(constraint, w), expected, rtol=1e-3)
    assert expected.any()


def test_clip_and_unit_interval_bound_each_weight():
    np.testing.assert_array_equal(apply(Clip(0.5), W), np.clip(W, -0.5, 0.5))
    np.testing.assert_array_equal(apply(UnitInterval(), W), np.clip(W, 0, 1))


def test_soft_threshold_shrinks_each_weight_equally_and_stops_at_zero():
    found = apply(SoftThreshold(0.5), W)
    desired = np.where(np.abs(W) > 0.5, W - 0.5 * np.sign(W), 0)
    np.testing.assert_allclose(found, desired, rtol=1e-6, atol=1e-7)
    assert (found == 0).any() and (found != 0).any()


def test_soft_threshold_is_the_proximal_step_of_l1():
    # The proximal step minimizes penalty + distance² / 2.
    def cost(v):
        return 0.5 * np.abs(v).sum() + ((v - W) ** 2).sum() / 2

    best = apply(SoftThreshold(0.5), W)
    noise = np.random.default_rng(2).normal(size=(20, *W.shape)).astype("float32")
    assert all(cost(best) < cost(best + 0.1 * step) for step in noise)


@pytest.mark.parametrize("axis, others", [(-1, (0, 1, 2)), (0, (1, 2, 3))])
def test_proximal_group_is_soft_thresholding_with_exact_zeros(axis, others):
    size = norms(W, others)
    threshold = np.median(size)
    found = apply(ProximalGroup(float(threshold), axis), W)
    desired = W * np.maximum(0, 1 - threshold / size)
    np.testing.assert_allclose(found, desired, rtol=1e-4, atol=1e-6)
    dead = np.squeeze(norms(found, others)) == 0
    assert dead.any() and not dead.all()


def test_proximal_group_is_the_proximal_step_of_group_lasso():
    # The proximal step minimizes penalty + distance² / 2, penalty as of GroupLasso.
    w = W[0, 0]
    penalty = regularizers.GroupLasso(0.5)
    threshold = 0.5 * 4**0.5

    def cost(v):
        return float(penalty(ops.convert_to_tensor(v))) + ((v - w) ** 2).sum() / 2

    best = apply(ProximalGroup(threshold), w)
    noise = np.random.default_rng(2).normal(size=(20, *w.shape)).astype("float32")
    assert all(cost(best) < cost(best + 0.1 * step) for step in noise)


def test_training_with_proximal_group_silences_useless_inputs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6)).astype("float32")
    constraint = ProximalGroup(0.01, axis=0)
    dense = keras.layers.Dense(2, use_bias=False, kernel_constraint=constraint)
    model = keras.Sequential([keras.Input((6,)), dense])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, 2 * x[:, :2], batch_size=64, epochs=60, verbose=0)
    alive = (ops.convert_to_numpy(dense.kernel) != 0).any(axis=1)
    np.testing.assert_array_equal(alive, [True, True, False, False, False, False])


@pytest.mark.parametrize(
    "make, argument",
    [
        (MaxNorm, {"max_value": 0}),
        (MaxNorm, {"max_value": float("nan")}),
        (MaxNorm, {"max_value": True}),
        (MaxNorm, {"axis": "last"}),
        (MaxNorm, {"axis": 1.0}),
        (UnitNorm, {"axis": []}),
        (UnitNorm, {"axis": True}),
        (MinMaxNorm, {"min_value": -1}),
        (MinMaxNorm, {"min_value": 2.0}),
        (MinMaxNorm, {"max_value": 0.0}),
        (MinMaxNorm, {"rate": 1.1}),
        (MinMaxNorm, {"rate": -0.1}),
        (Clip, {"c": 0}),
        (Clip, {"c": "1"}),
        (SoftThreshold, {"threshold": 0}),
        (SoftThreshold, {"threshold": float("nan")}),
        (ProximalGroup, {"threshold": 0}),
        (ProximalGroup, {"threshold": float("inf")}),
        (ProximalGroup, {"threshold": 1.0, "axis": "auto"}),
    ],
)
def test_rejects_wrong_arguments(make, argument):
    with pytest.raises(ValueError, match=f"`{list(argument)[-1]}`.*Received"):
        make(**argument)


@pytest.mark.parametrize("constraint", [UnitNorm(2), ProximalGroup(1.0, axis=2)])
def test_rejects_a_weight_without_the_axis(constraint):
    with pytest.raises(ValueError, match="`axis` must be an integer in"):
        constraint(ops.ones((2, 2)))
