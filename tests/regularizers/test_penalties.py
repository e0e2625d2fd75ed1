"""Regularizers against their definitions."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.regularizers import (
    L1,
    L1L2,
    L2,
    ElasticNet,
    GroupLasso,
    KLSparsity,
    Orthogonal,
    SparseGroupLasso,
)
from kcomponents.testing import check_regularizer, gradient
from tests.backend_cases import once
from tests.keras_own import cases, run, theirs_in
from tests.keras_versions import needs_keras

regularizers_test = theirs_in("regularizers.regularizers_test")

W = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
ON_WEIGHTS = [
    L1(),
    L2(),
    L1L2(0.1, 0.2),
    ElasticNet(0.1, 0.3),
    GroupLasso(),
    SparseGroupLasso(),
    Orthogonal(),
    Orthogonal(mode="columns", squared=True),
]


def penalty(regularizer, w):
    return float(regularizer(ops.convert_to_tensor(w)))


def group_norms(w, axis=-1):
    return np.linalg.norm(np.moveaxis(w, axis, -1).reshape(-1, w.shape[axis]), axis=0)


OWN = cases(
    # The other class there tests a function of Keras alone.
    regularizers_test,
    only="RegularizersTest",
    orthogonal_regularizer_mode_validation="our message names the nearest mode",
    orthogonal_regularizer_input_rank_validation="ours takes any rank",
)


@pytest.mark.parametrize("case", OWN)
def test_passes_the_tests_of_keras(case, monkeypatch):
    theirs = regularizers_test.regularizers
    ours = {"L1": L1, "L2": L2, "L1L2": L1L2, "OrthogonalRegularizer": Orthogonal}
    snake = {"l1": L1, "l2": L2, "l1l2": L1L2, "orthogonal_regularizer": Orthogonal}
    for name, regularizer in ours.items():
        monkeypatch.setattr(theirs, name, regularizer)
    for name, regularizer in snake.items():
        monkeypatch.setitem(theirs.ALL_OBJECTS_DICT, name, regularizer)
    run(case)


@pytest.mark.parametrize(
    "regularizer", [*once(*ON_WEIGHTS[:4]), *ON_WEIGHTS[4:-1], KLSparsity(0.1, 0.2)]
)
def test_passes_the_checks_of_a_regularizer(regularizer):
    check_regularizer(regularizer)


@pytest.mark.parametrize(
    "regularizer, expected",
    [
        (L1(0.1), 0.1 * np.abs(W).sum()),
        (L2(0.1), 0.1 * (W**2).sum()),
        (L1L2(0.1, 0.2), 0.1 * np.abs(W).sum() + 0.2 * (W**2).sum()),
        (ElasticNet(0.2, 0.25), 0.05 * np.abs(W).sum() + 0.15 * (W**2).sum()),
        (GroupLasso(0.1), 0.1 * 24**0.5 * group_norms(W).sum()),
        (GroupLasso(0.1, axis=1), 0.1 * 40**0.5 * group_norms(W, 1).sum()),
        (
            SparseGroupLasso(0.1, 0.3),
            0.03 * np.abs(W).sum() + 0.07 * 24**0.5 * group_norms(W).sum(),
        ),
    ],
)
def test_equals_its_definition(regularizer, expected):
    assert penalty(regularizer, W) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mode", ["rows", "columns"])
@pytest.mark.parametrize("squared", [False, True])
def test_orthogonal_is_the_mean_cosine_of_pairs(mode, squared):
    matrix = W.reshape(-1, 5) if mode == "rows" else W.reshape(-1, 5).T
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    cosines = np.abs(unit @ unit.T)[np.triu_indices(len(unit), 1)]
    expected = (cosines**2 if squared else cosines).mean()
    assert penalty(Orthogonal(1.0, mode, squared), W) == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize("shape", [(1, 4), (4,), (1, 1, 1, 4)])
def test_a_single_row_has_no_penalty(shape):
    # Keras gives NaN for one row.
    assert np.isnan(penalty(keras.regularizers.OrthogonalRegularizer(), W[0, 0, :1]))
    assert penalty(Orthogonal(), np.ones(shape, "float32")) == 0


@pytest.mark.parametrize("regularizer", [*ON_WEIGHTS, KLSparsity(0.1, 0.2)])
def test_sums_float16_weights_in_float32(regularizer):
    w = np.full((300, 2), 20, "float16")
    w[:150, 1] = 0.5
    assert np.isinf(penalty(keras.regularizers.L2(1.0), w))
    expected = penalty(regularizer, w.astype("float32"))
    assert np.isfinite(expected)
    assert penalty(regularizer, w) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("regularizer", [GroupLasso(0.1), SparseGroupLasso(0.1, 0.0)])
def test_a_group_at_zero_stays_and_the_others_keep_their_gradient(regularizer):
    w = np.array([[3.0, 0.0], [4.0, 0.0]], "float32")
    [slope] = gradient(regularizer, w)
    expected = 0.1 * 2**0.5 * np.array([[0.6, 0.0], [0.8, 0.0]])
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


def test_groups_below_epsilon_count_as_zero():
    w = np.array([[1e-3, 1.0]], "float32")
    assert penalty(GroupLasso(1.0, epsilon=1e-4), w) == pytest.approx(1.0)
    assert penalty(GroupLasso(1.0), w) == pytest.approx(1.001)


def test_factors_keep_their_exact_values():
    # Keras stores some as float32 tensors, and refuses scalars of numpy.
    assert L1(0.01).get_config() == {"l1": 0.01}
    assert Orthogonal(0.01).get_config()["factor"] == 0.01
    assert L2(np.float64(0.01)).get_config() == {"l2": 0.01}


@needs_keras("3.14", "does not divide activity regularizers by the samples")
@pytest.mark.parametrize("batch", [2, 32])
@pytest.mark.parametrize("shape", [(3,), (4, 3)])
def test_kl_sparsity_in_a_layer_does_not_depend_on_the_batch_size(batch, shape):
    x = np.full((batch, *shape), 0.3, "float32")
    layer = keras.layers.Activation("linear", activity_regularizer=KLSparsity(2.0, 0.1))
    layer(x)
    [loss] = [float(ops.convert_to_numpy(loss)) for loss in layer.losses]
    divergence = 0.1 * np.log(0.1 / 0.3) + 0.9 * np.log(0.9 / 0.7)
    assert loss == pytest.approx(2 * 3 * divergence, rel=1e-5)


@pytest.mark.any_backend
def test_kl_sparsity_brings_activations_to_the_target():
    keras.utils.set_random_seed(0)
    sparsity = KLSparsity(1.0, target=0.2)
    layer = keras.layers.Dense(4, "sigmoid", activity_regularizer=sparsity)
    model = keras.Sequential([keras.Input((3,)), layer])
    # A loss of zero leaves the penalty alone to train by.
    model.compile(keras.optimizers.Adam(0.05), lambda true, found: 0 * found)
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    model.fit(x, np.zeros((64, 4)), batch_size=32, epochs=60, verbose=0)
    means = model.predict(x, verbose=0).mean(axis=0)
    np.testing.assert_allclose(means, 0.2, atol=0.03)


@pytest.mark.parametrize(
    "make, argument",
    [
        (L1, {"l1": -1.0}),
        (L1, {"l1": float("nan")}),
        (L2, {"l2": True}),
        (L2, {"l2": "0.1"}),
        (L1L2, {"l1": float("inf")}),
        (L1L2, {"l2": -0.1}),
        (ElasticNet, {"strength": -1}),
        (ElasticNet, {"strength": 0.1, "l1_ratio": 1.5}),
        (GroupLasso, {"factor": None}),
        (GroupLasso, {"axis": 0.5}),
        (GroupLasso, {"epsilon": -1}),
        (SparseGroupLasso, {"l1_ratio": -0.1}),
        (SparseGroupLasso, {"axis": True}),
        (Orthogonal, {"factor": -1}),
        (Orthogonal, {"mode": "row"}),
        (Orthogonal, {"squared": 1}),
        (KLSparsity, {"factor": -1}),
        (KLSparsity, {"target": 0}),
        (KLSparsity, {"target": 1}),
    ],
)
def test_rejects_wrong_arguments(make, argument):
    with pytest.raises(ValueError, match=f"`{list(argument)[-1]}`.*Received"):
        make(**argument)


def test_rejects_a_weight_without_the_axis():
    with pytest.raises(ValueError, match="`axis` must be an integer in"):
        GroupLasso(axis=2)(ops.ones((2, 2)))


def test_kl_sparsity_rejects_a_scalar():
    with pytest.raises(ValueError, match="batch axis"):
        KLSparsity()(ops.ones(()))
