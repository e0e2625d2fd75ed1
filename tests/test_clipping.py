"""Clipping of lists of gradients against its definition in NumPy, and against Optax."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.clipping import (
    adaptive_clip,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
    unitwise_norm,
)
from kcomponents.testing import compiled

SHAPES = [(), (1,), (5,), (1, 5), (4, 3), (2, 3, 4), (3, 3, 2, 4), (2, 2, 2, 3, 4)]
# What each rank's norms sum over: the axes within one unit.
AXES = {0: None, 1: None, 2: 0, 3: 0, 4: (0, 1, 2), 5: (0, 1, 2, 3)}
BACKEND = keras.backend.backend()


def arrays(seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=s).astype("float32") for s in SHAPES]


def tensors(values):
    return [None if v is None else ops.convert_to_tensor(v) for v in values]


def numpy(grads):
    return [None if g is None else ops.convert_to_numpy(g) for g in grads]


def near(found, expected, rtol=1e-6):
    for f, e in zip(numpy(found), expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=rtol, atol=1e-7)


def joint(grads):
    return np.sqrt(sum((g.astype("float64") ** 2).sum() for g in grads))


def unit_norms(x):
    axis = None if x.squeeze().ndim <= 1 else AXES[x.ndim]
    return np.sqrt((x.astype("float64") ** 2).sum(axis, keepdims=True))


def slices(values, indices, rows=4):
    """Return a sparse gradient of an embedding."""
    import tensorflow as tf

    values = tf.constant(values)
    shape = tf.constant([rows, *values.shape[1:]])
    return tf.IndexedSlices(values, tf.constant(indices), shape)


needs_sparse = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="only TensorFlow has sparse gradients"
)


def test_global_norm_is_that_of_all_entries():
    grads = arrays()
    assert float(global_norm(tensors(grads))) == pytest.approx(joint(grads), rel=1e-6)


@pytest.mark.parametrize("grads", [[], [None]])
def test_global_norm_of_nothing_is_zero(grads):
    assert float(global_norm(grads)) == 0


@pytest.mark.parametrize("broken", [np.inf, -np.inf, np.nan])
def test_global_norm_is_finite_only_if_all_gradients_are(broken):
    grads = tensors([np.array([1.0, broken], "float32"), np.ones(2, "float32")])
    assert float(global_norm(grads)) == pytest.approx(abs(broken), nan_ok=True)


@pytest.mark.parametrize("bound", [0.1, 3.0, 1e3])
def test_each_bound_is_its_definition(bound):
    grads = arrays()
    given = tensors(grads)
    near(clip_by_value(given, bound), [g.clip(-bound, bound) for g in grads])
    factors = [bound / max(joint([g]), bound) for g in grads]
    near(clip_by_norm(given, bound), np.multiply(factors, _boxed(grads)))
    factor = bound / max(joint(grads), bound)
    near(clip_by_global_norm(given, bound), [factor * g for g in grads])


def _boxed(grads):
    box = np.empty(len(grads), object)
    box[:] = grads
    return box


def test_small_gradients_pass_bit_for_bit():
    grads = arrays(scale=1e-3)
    for clip in (clip_by_value, clip_by_norm, clip_by_global_norm):
        for found, given in zip(numpy(clip(tensors(grads), 10.0)), grads, strict=True):
            np.testing.assert_array_equal(found, given)


def test_a_known_norm_is_used():
    [found] = clip_by_global_norm(tensors([np.array([8.0], "float32")]), 1.0, 4.0)
    near([found], [[2.0]])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_unitwise_norm_is_the_norm_of_each_unit(shape):
    x = arrays()[SHAPES.index(shape)]
    near([unitwise_norm(x)], [np.broadcast_to(unit_norms(x), shape)])


def test_unitwise_norm_takes_axes():
    x = arrays()[-1].reshape(2, 2, 2, 3, 2, 2)
    expected = np.sqrt((x**2).sum((1, 5), keepdims=True))
    near([unitwise_norm(x, axis=(1, -1))], [np.broadcast_to(expected, x.shape)])


def test_adaptive_clip_bounds_each_unit_by_its_weights():
    grads, weights = arrays(), arrays(seed=1, scale=0.1)
    weights[4][:, 0] = 0
    limits = [0.1 * np.maximum(unit_norms(w), 1e-3) for w in weights]
    expected = [
        g * limit / np.maximum(unit_norms(g), limit)
        for g, limit in zip(grads, limits, strict=True)
    ]
    near(adaptive_clip(tensors(grads), tensors(weights), 0.1), expected)
    assert abs(expected[4][:, 0]).max() > 0


@pytest.mark.skipif(BACKEND != "jax", reason="optax runs on JAX")
def test_values_are_those_of_optax():
    import optax

    grads, weights = tensors(arrays()), tensors(arrays(seed=1, scale=0.1))

    def clipped(transformation, grads=grads, weights=weights):
        return transformation.update(grads, transformation.init(weights), weights)[0]

    near([global_norm(grads)], [optax.tree.norm(grads)])
    expected = clipped(optax.clip_by_global_norm(1.0))
    near(clip_by_global_norm(grads, 1.0), expected)
    near(clip_by_value(grads, 0.5), clipped(optax.clip(0.5)))
    near(adaptive_clip(grads, weights), clipped(optax.adaptive_grad_clip(0.01)))
    with_axes = grads[3:], weights[3:]
    expected = clipped(optax.adaptive_grad_clip(0.2, eps=0.1, axis=-1), *with_axes)
    near(adaptive_clip(*with_axes, 0.2, 0.1, axis=-1), expected)
    from optax.transforms import unitwise_norm as their_norm

    for x in grads:
        near([unitwise_norm(x)], [their_norm(x)])


def test_none_stays_none():
    grads = [None, ops.array([3.0, 4.0]), None]
    weights = [None, ops.array([1.0, 0.0]), None]
    for found in (
        clip_by_value(grads, 1.0),
        clip_by_norm(grads, 1.0),
        clip_by_global_norm(grads, 1.0),
        adaptive_clip(grads, weights),
    ):
        assert [g is None for g in found] == [True, False, True]
    assert clip_by_norm([None], 1.0) == adaptive_clip([None], [None]) == [None]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_clipped_in_float32(dtype):
    grad = ops.cast([300.0, 400.0], dtype)
    assert float(global_norm([grad])) == 500
    weight = ops.array([60.0, 80.0])
    for [found] in (
        clip_by_norm([grad], 1.0),
        clip_by_global_norm([grad], 1.0),
        adaptive_clip([grad], [weight], clip_factor=0.01),
    ):
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        near([ops.cast(found, "float32")], [[0.6, 0.8]], rtol=4e-3)
    [found] = clip_by_value([grad], 350.0)
    near([ops.cast(found, "float32")], [[300.0, 350.0]], rtol=4e-3)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no float64 unless asked")
def test_double_precision_stays():
    grads = [ops.array(np.array([3.0, 0.0]), "float64"), ops.array([4.0])]
    weights = [ops.ones((2,)), ops.ones((1,))]
    near([global_norm(grads)], [5.0])
    for found in (
        clip_by_value(grads, 1.0),
        clip_by_norm(grads, 1.0),
        clip_by_global_norm(grads, 1.0),
        adaptive_clip(grads, weights),
    ):
        dtypes = [keras.backend.standardize_dtype(g.dtype) for g in found]
        assert dtypes == ["float64", "float32"]


@pytest.mark.parametrize("size", [1e25, 1e-15])
def test_very_large_and_small_gradients_are_clipped(size):
    grads = [ops.array([3 * size, 0.0]), ops.array([[4 * size]]), ops.zeros((2,))]
    bound = 5 * size / 2
    near([global_norm(grads) / size], [5.0])
    near([g / size for g in clip_by_global_norm(grads, bound)], [[1.5, 0], [[2]], 0])
    near([g / size for g in clip_by_norm(grads, bound)], [[2.5, 0], [[2.5]], 0])
    weights = [ops.ones((2,)), ops.ones((1, 1)), ops.ones((2,))]
    near(adaptive_clip(grads[:2], weights[:2], 1e-20), [[2**0.5 * 1e-20, 0], [[1e-20]]])


def test_one_infinite_gradient_does_not_become_a_small_step():
    grads = [ops.array([np.inf, 1.0]), ops.array([1.0])]
    for found in numpy(clip_by_global_norm(grads, 1.0)):
        assert np.isnan(found).all()
    assert [np.isnan(g).any() for g in numpy(clip_by_norm(grads, 1.0))] == [True, False]
    near(clip_by_value(grads, 0.5), [[0.5, 0.5], [0.5]])


@pytest.mark.parametrize("size", [1.0, 1e25])
def test_compiled_values_are_those_of_eager(size):
    grads, weights = arrays(scale=size), arrays(seed=1)

    def clip(*grads):
        by_value = clip_by_value(grads, 0.5)
        by_norm = clip_by_global_norm(clip_by_norm(grads, 0.5), 0.7)
        return [*by_value, *by_norm, *adaptive_clip(grads, weights, 0.1)]

    near(compiled(clip)(*tensors(grads)), numpy(clip(*tensors(grads))), rtol=1e-5)


@needs_sparse
def test_repeated_rows_are_summed_before_clipping():
    import tensorflow as tf

    grad = slices([[3.0, 0.0], [1.0, 1.0], [0.0, 4.0], [-1.0, 0.0]], [2, 0, 2, 0])
    dense = np.array([[0, 1], [0, 0], [3, 4], [0, 0]], "float32")
    weight = np.array([[3, 1], [0, 0], [0, 1], [4, 0]], "float32")
    assert float(global_norm([grad])) == pytest.approx(joint([dense]))
    for clip in (
        lambda g: clip_by_value(g, 0.9),
        lambda g: clip_by_norm(g, 1.0),
        lambda g: clip_by_global_norm(g, 1.0),
        lambda g: adaptive_clip(g, [weight]),
        lambda g: adaptive_clip(g, [weight], axis=-1),
    ):
        for run in (clip, tf.function(clip), tf.function(clip, jit_compile=True)):
            [found] = run([grad])
            assert isinstance(found, tf.IndexedSlices)
            near([tf.convert_to_tensor(found)], numpy(clip([dense])))


@needs_sparse
def test_sparse_rows_of_unknown_number_are_summed():
    import tensorflow as tf

    indices = tf.TensorSpec([None], "int64")

    @tf.function(input_signature=[tf.TensorSpec([None, 1]), indices])
    def norm(values, indices):
        return global_norm([tf.IndexedSlices(values, indices, [9, 1])])

    assert float(norm([[1.0], [2.0], [3.0]], [7, 0, 7])) == pytest.approx(20**0.5)
    assert float(norm(np.zeros((0, 1)), [])) == 0


@pytest.mark.parametrize("clip", [clip_by_value, clip_by_norm, clip_by_global_norm])
@pytest.mark.parametrize("bound", [0, -1.0, np.nan, np.inf, True, "1", None])
def test_rejects_an_invalid_bound(clip, bound):
    with pytest.raises(ValueError, match=r"above 0.*Received"):
        clip([ops.ones((2,))], bound)


@pytest.mark.parametrize(
    "arguments",
    [{"clip_factor": 0}, {"eps": 0}, {"eps": np.nan}, {"axis": 3}, {"axis": ()}],
)
def test_adaptive_clip_rejects_wrong_settings(arguments):
    with pytest.raises(ValueError, match="Received"):
        adaptive_clip([ops.ones((2, 2))], [ops.ones((2, 2))], **arguments)


@pytest.mark.parametrize(
    "weights", [[], [np.ones((2, 3))], [np.ones(2)], [np.ones((1, 2))]]
)
def test_adaptive_clip_rejects_weights_that_do_not_match(weights):
    with pytest.raises(ValueError, match="param.*Received"):
        adaptive_clip([ops.ones((2, 2))], weights)


def test_unitwise_norm_rejects_ranks_without_a_convention():
    with pytest.raises(ValueError, match="axis"):
        unitwise_norm(np.ones((2,) * 6))
