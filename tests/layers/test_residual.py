"""PreActivationResidual against its definition and the same block built by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.layers import PreActivationResidual
from kcomponents.testing import check_layer, gradient
from tests.backend_cases import once
from tests.channels_first import outputs

IMAGES = np.random.default_rng(0).normal(size=(4, 6, 7, 8)).astype("float32")
ROWS = np.random.default_rng(1).normal(size=(5, 8)).astype("float32")

NOISE = {"dropout": 0.2, "survival": 0.9, "seed": 1}


def block(x, filters=8, **arguments):
    """Build a block whose weights all differ from their start."""
    # Not normal: JAX compiles that for seconds, once for each shape.
    arguments = {"kernel_initializer": "zeros", **arguments}
    layer = PreActivationResidual(filters, **arguments)
    layer.build((None, *x.shape[1:]))
    rng = np.random.default_rng(2)
    add = [rng.uniform(-0.5, 0.5, weight.shape) for weight in layer.get_weights()]
    layer.set_weights([w + a for w, a in zip(layer.get_weights(), add, strict=True)])
    return layer


def answer(layer, x, **options):
    return ops.convert_to_numpy(layer(x, **options))


def test_the_dense_block_equals_its_definition():
    def rectified(x, gamma, beta, mean, variance):
        return np.maximum(gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta, 0)

    layer = block(ROWS)
    norm1, kernel1, norm2, kernel2 = (
        part.get_weights() for part in (*layer.entry, *layer.branch) if part.weights
    )
    inside = rectified(rectified(ROWS, *norm1) @ kernel1[0], *norm2) @ kernel2[0]
    np.testing.assert_allclose(answer(layer, ROWS), ROWS + inside, rtol=1e-4)


class ByHand:
    """The layers of a block in the order of its weights: the bypass comes last."""

    def __init__(self):
        self.layers = []

    def convolution(self, filters, size=1, strides=1):
        options = {"padding": "same", "use_bias": False, "kernel_initializer": "zeros"}
        self.layers.append(keras.layers.Conv2D(filters, size, strides, **options))
        return self.layers[-1]

    def normalized(self, x):
        self.layers.append(keras.layers.BatchNormalization())
        return self.layers[-1](x)

    def rectified(self, x):
        return keras.layers.ReLU()(self.normalized(x))

    def basic(self, x):
        return x + self.inside(self.rectified(x), strides=1, filters=8)

    def inside(self, entered, strides=2, filters=12):
        hidden = self.rectified(self.convolution(filters, 3, strides)(entered))
        return self.convolution(filters, 3)(hidden)

    def projected(self, x):
        entered = self.rectified(x)
        return self.inside(entered) + self.convolution(12, 1, 2)(entered)

    def bottleneck(self, x):
        entered = self.rectified(x)
        inside = self.rectified(self.convolution(3, 1, 2)(entered))
        inside = self.rectified(self.convolution(3, 3)(inside))
        return self.convolution(12)(inside) + self.convolution(12, 1, 2)(entered)

    def post(self, x):
        inside = self.normalized(self.inside(x))
        bypass = self.normalized(self.convolution(12, 1, 2)(x))
        return keras.layers.ReLU()(inside + bypass)

    def plain(self, x):
        return self.inside(self.rectified(x))


@pytest.mark.parametrize(
    ("graph", "arguments"),
    [
        (ByHand.basic, {"filters": 8}),
        (ByHand.projected, {"filters": 12, "strides": 2}),
        (ByHand.bottleneck, {"filters": 12, "strides": 2, "bottleneck": True}),
        (ByHand.post, {"filters": 12, "strides": 2, "order": "post"}),
        (ByHand.plain, {"filters": 12, "strides": 2, "bypass": False}),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_it_equals_the_graph_built_by_hand(graph, arguments):
    layer, hand = block(IMAGES, **arguments), ByHand()
    inputs = keras.Input(IMAGES.shape[1:])
    model = keras.Model(inputs, graph(hand, inputs))
    theirs = [weight for part in hand.layers for weight in part.weights]
    for its, mine in zip(theirs, layer.weights, strict=True):
        its.assign(mine)
    for training in (False, True):
        mine = answer(layer, IMAGES, training=training)
        its = answer(model, IMAGES, training=training)
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-5)
    for its, mine in zip(theirs, layer.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), its.numpy(), rtol=1e-4)


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("bottleneck", [False, True])
def test_a_plain_block_has_as_many_weights(order, bottleneck):
    arguments = {"order": order, "bottleneck": bottleneck}
    counts = {
        block(IMAGES, bypass=bypass, **arguments).count_params()
        for bypass in (False, True)
    }
    assert len(counts) == 1


def test_both_orders_have_as_many_weights():
    counts = [block(IMAGES, order=o).count_params() for o in ("pre", "post")]
    assert counts[0] == counts[1]


def test_the_gradient_flows_through_the_bypass_at_depth():
    def norm_at_the_input(bypass):
        keras.utils.set_random_seed(1)
        kernels = keras.initializers.RandomNormal(stddev=0.01)
        arguments = {"bypass": bypass, "normalization": None}
        stack = [
            PreActivationResidual(8, kernel_initializer=kernels, **arguments)
            for _ in range(10)
        ]
        model = keras.Sequential([keras.Input((8,)), *stack])
        [slope] = gradient(lambda x: ops.sum(model(x)), ROWS)
        return np.linalg.norm(slope) / np.sqrt(slope.size)

    assert norm_at_the_input(True) == pytest.approx(1, abs=0.1)
    assert norm_at_the_input(False) < 1e-6


def test_survival_drops_whole_samples_and_keeps_the_mean():
    x = np.repeat(ROWS[:1], 2000, axis=0)
    options = {"normalization": None, "seed": 1}
    layer = block(x, survival=0.75, **options)
    branch = answer(layer, x)[0] - x[0]
    change = answer(layer, x, training=True) - x
    kept = np.abs(change).max(1) > 0
    np.testing.assert_allclose(
        change[kept], np.tile(branch / 0.75, (kept.sum(), 1)), 1e-4
    )
    assert kept.mean() == pytest.approx(0.75, abs=0.03)


def test_survival_near_nothing_leaves_the_bypass():
    layer = block(IMAGES, survival=1e-9)
    np.testing.assert_array_equal(answer(layer, IMAGES, training=True), IMAGES)


def test_survival_of_one_has_no_noise():
    assert not [v for v in block(ROWS).variables if "seed" in v.path]
    layer = block(ROWS, normalization=None)
    np.testing.assert_array_equal(
        answer(layer, ROWS, training=True), answer(layer, ROWS)
    )


def test_dropout_works_in_training_only():
    layer = block(ROWS, dropout=0.5, normalization=None)
    y = answer(layer, ROWS)
    np.testing.assert_array_equal(answer(layer, ROWS), y)
    assert np.abs(answer(layer, ROWS, training=True) - y).max() > 1e-3


def test_a_seed_repeats_the_noise():
    arguments = {"dropout": 0.3, "survival": 0.5, "seed": 3}
    one, two = (block(IMAGES, **arguments) for _ in range(2))
    two.set_weights(one.get_weights())
    np.testing.assert_array_equal(
        answer(one, IMAGES, training=True), answer(two, IMAGES, training=True)
    )


def test_kernels_of_one_seeded_initializer_differ():
    kernel = keras.initializers.HeNormal(seed=1)
    layer = PreActivationResidual(8, kernel_initializer=kernel)
    layer.build((None, 8))
    one, two = (part.get_weights()[0] for part in layer.branch[::3])
    assert np.abs(one - two).max() > 0.1


def test_each_activation_layer_has_its_own_weights():
    layer = block(ROWS, activation=keras.layers.PReLU())
    paths = [w.path for w in layer.weights if "alpha" in w.path]
    assert len(paths) == len(set(paths)) == 2


@pytest.mark.parametrize(("rank", "strides"), [(1, 2), (2, (1, 2)), (3, 1)])
def test_the_output_shape_is_known_for_unknown_sizes(rank, strides):
    layer = PreActivationResidual(4, strides=strides, kernel_initializer="ones")
    known = (2, *(5, 6, 7)[:rank], 3)
    unknown = layer(keras.Input((*[None] * rank, 3)))
    assert unknown.shape == (None, *[None] * rank, 4)
    assert layer.compute_output_shape(known) == tuple(layer(np.ones(known)).shape)


def test_batch_statistics_leave_masked_steps_out():
    x = np.ones((2, 4, 3), "float32")
    x[:, 2:] = 0
    layer = PreActivationResidual(3)
    keras.Sequential([keras.layers.Masking(), layer])(x, training=True)
    mean = ops.convert_to_numpy(layer.entry[0].moving_mean)
    np.testing.assert_allclose(mean, 0.01 * np.ones(3), rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        *once(
            ((2, 5, 6), {"order": "post", "normalization": "layer", "kernel_size": 2})
        ),
        ((2, 5, 6, 4), {"strides": (2, 1), "bottleneck": True, **NOISE}),
    ],
    ids=str,
)
def test_passes_the_checks_of_a_layer(shape, arguments):
    arguments = {"filters": 8, "kernel_initializer": "glorot_uniform", **arguments}
    check_layer(PreActivationResidual, arguments, input_shape=shape)


def test_maxout_may_be_the_activation():
    layer = block(ROWS, activation="maxout:2")
    assert [part.get_weights()[0].shape for part in layer.branch[::3]] == [(4, 8)] * 2
    assert answer(layer, ROWS).shape == ROWS.shape


def test_an_activation_with_weights_is_saved_and_loaded(tmp_path):
    activation = keras.layers.PReLU(alpha_initializer="ones")
    layer = PreActivationResidual(4, activation=activation)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.set_weights([w + 0.1 for w in model.get_weights()])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = ROWS[:, :3]
    np.testing.assert_allclose(answer(loaded, x), answer(model, x), rtol=1e-5)


def test_channels_may_come_first():
    last = block(IMAGES, 12, strides=2)
    x = np.moveaxis(IMAGES, -1, 1)
    first = block(x, 12, strides=2, data_format="channels_first")
    first.set_weights(last.get_weights())
    expected = np.moveaxis(answer(last, IMAGES), -1, 1)
    found = ops.convert_to_numpy(outputs(first, x))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert first.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize(
    "arguments",
    [
        {"filters": 0},
        {"filters": 6, "bottleneck": True},
        {"kernel_size": 0},
        {"strides": (1, -1)},
        {"dilation_rate": 1.5},
        {"dropout": 1.5},
        {"dropout": True},
        {"survival": 0},
        {"survival": float("nan")},
        {"survival": 0.5, "bypass": False},
        {"normalization": "bach"},
        {"order": "before"},
        {"data_format": "channels"},
        {"kernel_initializer": "he"},
    ],
    ids=str,
)
def test_rejects_wrong_arguments(arguments):
    with pytest.raises(ValueError):
        PreActivationResidual(**{"filters": 8, **arguments})


@pytest.mark.parametrize(
    ("arguments", "shape", "rule"),
    [
        ({"strides": 2}, (2, 8), "without spatial axes"),
        ({"dilation_rate": 2}, (2, 8), "without spatial axes"),
        ({}, (8,), "two to five axes"),
        ({}, (1, 1, 1, 1, 1, 1), "two to five axes"),
        ({}, (2, 4, None), "channels of the input must be known"),
        ({"kernel_size": (3, 3)}, (2, 4, 8), "kernel_size"),
        ({"activation": "rellu"}, (2, 8), "rellu"),
        ({"activation": "maxout:2", "order": "post"}, (2, 8), "keep the channels"),
    ],
)
def test_rejects_inputs_that_do_not_fit(arguments, shape, rule):
    with pytest.raises(ValueError, match=rule):
        PreActivationResidual(8, **arguments).build(shape)
