"""GradientClip: the gradient behind it, alone and inside recurrent cells."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.layers import GradientClip
from kcomponents.testing import check_layer, compiled, gradient
from kcomponents.testing.backends import compile_modes

UPSTREAM = np.array([[3, -4, 0], [0.3, 0.4, 0], [0, 0, 0]], "float32")


def clipped(layer, upstream):
    """Return what becomes of a gradient on its way back through the layer."""

    def value(x):
        return ops.sum(ops.multiply(layer(x), ops.cast(upstream, layer.compute_dtype)))

    [slope] = gradient(value, np.ones(upstream.shape, "float32"))
    return slope


def test_changes_nothing_on_the_way_forward():
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    layer = GradientClip(clipnorm=1e-3, clipvalue=1e-3)
    for run in (layer, compiled(layer)):
        np.testing.assert_array_equal(ops.convert_to_numpy(run(x)), x)


def test_value_bounds_each_entry():
    np.testing.assert_allclose(
        clipped(GradientClip(clipvalue=0.35), UPSTREAM), np.clip(UPSTREAM, -0.35, 0.35)
    )


def test_norm_shortens_long_gradients_and_lengthens_none():
    expected = UPSTREAM / [[2.5], [1], [1]]
    np.testing.assert_allclose(
        clipped(GradientClip(clipnorm=2), UPSTREAM), expected, rtol=1e-6
    )


def test_norm_runs_over_all_axes_but_the_batch():
    upstream = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    norms = np.sqrt((upstream**2).sum((1, 2, 3), keepdims=True))
    np.testing.assert_allclose(
        clipped(GradientClip(clipnorm=0.1), upstream), 0.1 * upstream / norms, rtol=1e-5
    )


def test_a_sample_of_one_number_has_its_size_for_norm():
    slope = clipped(GradientClip(clipnorm=2), np.array([3, -1, 0], "float32"))
    np.testing.assert_allclose(slope, [2, -1, 0])


def test_with_both_bounds_the_entries_are_clipped_first():
    expected = np.array([[1, -1, 0]]) / np.sqrt(2)
    layer = GradientClip(clipnorm=1, clipvalue=1)
    np.testing.assert_allclose(clipped(layer, UPSTREAM[:1]), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_norm_neither_overflows_nor_vanishes(dtype):
    big = {"float16": 6e4, "float32": 3e38}[dtype]
    small = {"float16": 6e-5, "float32": 1e-30}[dtype]
    upstream = np.array([[big, big], [small, -small]], "float32")
    slope = clipped(GradientClip(clipnorm=1, dtype=dtype), upstream)
    np.testing.assert_allclose(slope[0], [np.sqrt(0.5)] * 2, rtol=1e-3)
    np.testing.assert_allclose(slope[1], upstream[1], rtol=1e-2)


def test_infinity_is_bounded_and_nan_stays():
    inf, nan = np.inf, np.nan
    upstream = np.array([[inf, 1], [inf, -inf], [nan, 0], [2, 0]], "float32")
    half = np.sqrt(0.5)
    by_norm = clipped(GradientClip(clipnorm=1), upstream)
    np.testing.assert_allclose(by_norm[[0, 1, 3]], [[1, 0], [half, -half], [1, 0]])
    by_value = clipped(GradientClip(clipvalue=1), upstream)
    np.testing.assert_allclose(by_value[[0, 1, 3]], [[1, 1], [1, -1], [1, 0]])
    assert np.isnan(by_norm[2, 0]) and np.isnan(by_value[2, 0])


def test_clips_the_gradient_of_embedding_rows():
    layer = GradientClip(clipnorm=1)

    def value(x):
        return ops.sum(ops.take(layer(x), np.array([0, 0, 2]), axis=0))

    [slope] = gradient(value, np.ones((3, 4)).astype("float32"))
    np.testing.assert_allclose(slope, [[0.5] * 4, [0] * 4, [0.5] * 4])


@keras.saving.register_keras_serializable(package="kcomponents_tests")
class ClippedCell(keras.layers.Layer):
    """`state = 2 * state + input`, with the gradient of the state clipped."""

    def __init__(self, clipnorm=None, clipvalue=None, **kwargs):
        super().__init__(**kwargs)
        self.state_size = self.output_size = 2
        self.clip = GradientClip(clipnorm, clipvalue)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(2, 2), initializer="identity")

    def call(self, inputs, states):
        state = 2 * self.clip(states[0]) + ops.matmul(inputs, self.kernel)
        return state, [state]


def backpropagated(x, upstream, clip):
    """Return the gradient of each input: BPTT in numpy."""
    slopes, state = np.zeros_like(x), upstream
    for step in reversed(range(x.shape[1])):
        slopes[:, step] = state
        state = clip(2 * state)
    return slopes


def by_norm(bound):
    def clip(g):
        return g * np.minimum(1, bound / np.linalg.norm(g, axis=1, keepdims=True))

    return clip


BOUNDS = [
    ({"clipvalue": 3.0}, lambda g: np.clip(g, -3, 3)),
    ({"clipnorm": 3.0}, by_norm(3.0)),
]


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize(("bounds", "clip"), BOUNDS, ids=["value", "norm"])
def test_clips_the_gradient_of_the_state_at_every_step(bounds, clip, unroll):
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    upstream = np.array([[1, 0.1], [0.2, -0.3], [-2, 2]], "float32")
    recurrent = keras.layers.RNN(ClippedCell(**bounds), unroll=unroll)
    recurrent.build(x.shape)

    def value(x):
        return ops.sum(ops.multiply(recurrent(x), upstream))

    expected = backpropagated(x, upstream, clip)
    assert np.abs(expected - backpropagated(x, upstream, lambda g: g)).max() > 1
    np.testing.assert_allclose(gradient(value, x)[0], expected, rtol=1e-5)
    if keras.backend.backend() == "jax":
        import jax

        slope = jax.jit(jax.grad(value))(x)
        np.testing.assert_allclose(slope, expected, rtol=1e-5)


@pytest.mark.parametrize("jit_compile", compile_modes())
@pytest.mark.parametrize("unroll", [False, True])
def test_a_recurrent_layer_with_it_trains_compiled(jit_compile, unroll):
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    upstream = np.array([[1, 0.1], [0.2, -0.3], [-2, 2], [1, 1]], "float32")
    recurrent = keras.layers.RNN(ClippedCell(clipvalue=3.0), unroll=unroll)
    model = keras.Sequential([keras.Input((5, 2)), recurrent])
    model.compile(
        keras.optimizers.SGD(1.0),
        lambda y, output: ops.sum(y * output, axis=-1),
        jit_compile=jit_compile,
    )
    model.fit(x, upstream, batch_size=4, verbose=0)
    slopes = backpropagated(x, upstream / 4, lambda g: np.clip(g, -3, 3))
    expected = np.eye(2) - np.einsum("bti,btj->ij", x, slopes)
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["clipnorm", "clipvalue"])
@pytest.mark.parametrize("bound", [0, -1, np.nan, np.inf, "1", True])
def test_rejects_an_invalid_bound(name, bound):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        GradientClip(**{name: bound})


def test_rejects_no_bound_at_all():
    with pytest.raises(ValueError, match="`clipnorm`, `clipvalue` or both"):
        GradientClip()


def test_passes_the_checks_of_a_layer():
    check_layer(GradientClip, {"clipnorm": 1, "clipvalue": 0.5}, input_shape=(2, 3, 4))
