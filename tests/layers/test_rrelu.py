"""RReLU against its definition, as a layer and as a function."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import activations
from kcomponents.layers import RReLU
from kcomponents.testing import check_layer, gradient
from kcomponents.testing.common import saved_and_loaded

X = np.linspace(-2, 2, 100, dtype="float32")[None]
MINUS = -np.ones((6, 5, 4, 3), "float32")


def run(layer, x=X, **options):
    return ops.convert_to_numpy(layer(x, **options))


def test_slope_is_the_mean_outside_training():
    np.testing.assert_allclose(
        run(RReLU(0.1, 0.3)), np.where(X < 0, 0.2 * X, X), rtol=1e-6
    )


def test_slopes_fill_the_interval_in_training():
    y = run(RReLU(0.1, 0.3, seed=0), training=True)
    drawn = (y / X)[X < 0]
    assert [drawn.min(), drawn.max()] == pytest.approx([0.1, 0.3], abs=0.03)
    np.testing.assert_array_equal(y[X > 0], X[X > 0])


def test_slopes_are_uniform():
    drawn = -run(
        RReLU(0.2, 0.6, seed=0), -np.ones((1, 40000), "float32"), training=True
    )
    counts, _ = np.histogram(drawn, 8, (0.2, 0.6))
    # Five standard deviations of a binomial count.
    np.testing.assert_allclose(counts, 5000, atol=5 * np.sqrt(40000 * 7 / 64))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_slopes_keep_their_mean_in_every_precision(dtype):
    layer = RReLU(0, 1, seed=0, dtype=dtype)
    y = layer(ops.cast(-np.ones((1, 40000)), dtype), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    mean = float(-ops.mean(ops.cast(y, "float32")))
    assert mean == pytest.approx(0.5, abs=5 / np.sqrt(12 * 40000))


def test_sampling_can_stay_on_outside_training():
    layer = RReLU(0.1, 0.3, inference="sample")
    model = keras.Sequential([keras.Input((100,)), layer])
    first, second = (model.predict(X, verbose=0) for _ in range(2))
    assert (first != second)[X < 0].all()


@pytest.mark.parametrize(
    ("shared_axes", "data_format", "drawn"),
    [
        (None, None, (6, 5, 4, 3)),
        ("auto", "channels_last", (6, 1, 1, 3)),
        ("auto", "channels_first", (6, 5, 1, 1)),
        ([0, 1, 2], None, (1, 1, 1, 3)),
        (-1, None, (6, 5, 4, 1)),
    ],
)
def test_slopes_are_shared_along_axes(shared_axes, data_format, drawn):
    layer = RReLU(seed=0, shared_axes=shared_axes, data_format=data_format)
    y = run(layer, MINUS, training=True)
    one_of_each = y[tuple(slice(size) for size in drawn)]
    np.testing.assert_array_equal(y, np.broadcast_to(one_of_each, y.shape))
    assert len(np.unique(one_of_each)) == one_of_each.size


def test_slopes_advance_and_a_seed_repeats_them():
    layer, again = RReLU(seed=3), RReLU(seed=3)
    first, second = (run(layer, training=True) for _ in range(2))
    assert (first != second)[X < 0].all()
    for expected in (first, second):
        np.testing.assert_array_equal(run(again, training=True), expected)


@pytest.mark.parametrize("seed", [None, 3])
def test_a_loaded_model_continues_the_random_numbers_of_the_saved_one(seed):
    model = keras.Sequential([keras.Input((100,)), RReLU(seed=seed)])
    model(X, training=True)
    loaded = saved_and_loaded(model)
    np.testing.assert_array_equal(run(model, training=True), run(loaded, training=True))


def test_slopes_differ_between_the_steps_of_fit():
    # With a linear loss and unit rate each step moves the weight by its slope.
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense, RReLU(0.1, 0.3)])
    model.compile(keras.optimizers.SGD(1.0), lambda y, output: -output)
    moved = []
    for _ in range(3):
        dense.kernel.assign([[1.0]])
        model.fit(-np.ones((1, 1)), np.ones((1, 1)), verbose=0)
        moved.append(1 - dense.get_weights()[0].item())
    assert len(set(moved)) == 3
    assert all(0.1 <= m <= 0.3 for m in moved)


def test_gradient_at_zero_and_below_is_the_slope():
    layer = RReLU(0.25, 0.25)

    def value(x):
        return ops.sum(layer(x, training=True))

    [slope] = gradient(value, [[-1.0, 0.0, 1.0]])
    np.testing.assert_array_equal(slope, [[0.25, 0.25, 1.0]])


def test_infinity_keeps_its_sign():
    x = np.array([[-np.inf, np.inf, np.nan]], "float32")
    for training in (False, True):
        y = run(RReLU(), x, training=training)
        np.testing.assert_array_equal(y, x)


def test_whole_numbers_become_floats():
    for training in (False, True):
        y = activations.rrelu(np.array([-4, 4]), 0.25, 0.25, training=training)
        np.testing.assert_array_equal(ops.convert_to_numpy(y), [-1.0, 4.0])


@pytest.mark.parametrize("make", [RReLU, lambda *b: activations.rrelu(X, *b)])
@pytest.mark.parametrize(
    "bounds",
    [(-0.1, 0.3), (0.4, 0.3), (0.1, np.nan), (0.1, np.inf), ("0", 1), (0, True)],
)
def test_rejects_bounds_out_of_order(make, bounds):
    with pytest.raises(ValueError, match="0 <= lower <= upper"):
        make(*bounds)


@pytest.mark.parametrize(
    "arguments", [{"inference": "mode"}, {"shared_axes": "all"}, {"seed": "one"}]
)
def test_rejects_invalid_arguments(arguments):
    with pytest.raises(ValueError, match="Received"):
        RReLU(**arguments)


def test_the_function_rejects_a_seed_that_repeats_itself():
    with pytest.raises(ValueError, match="SeedGenerator"):
        activations.rrelu(X, training=True, seed=1)


def test_the_function_draws_from_the_generator_it_is_given():
    seed = keras.random.SeedGenerator(1)
    first, second = (
        ops.convert_to_numpy(activations.rrelu(X, training=True, seed=seed))
        for _ in range(2)
    )
    assert (first != second)[X < 0].all()


@pytest.mark.parametrize(
    ("arguments", "stochastic"),
    [
        ({"upper": 0.5, "seed": 1}, False),
        ({"shared_axes": "auto", "inference": "sample"}, True),
    ],
)
def test_passes_the_checks_of_a_layer(arguments, stochastic):
    check_layer(RReLU, arguments, input_shape=(2, 3, 4), stochastic=stochastic)
