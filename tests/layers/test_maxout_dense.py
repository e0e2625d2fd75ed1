"""MaxoutDense against NumPy, and the features it takes from `Dense`."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import Blocked, PerPiece, ScaledIdentity
from kcomponents.layers import Maxout, MaxoutDense
from kcomponents.testing import check_layer
from tests.backend_cases import once
from tests.keras_versions import needs_keras

X = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 4)).astype("float32")


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.saving.load_model(tmp_path / "model.keras")


def model_of(layer):
    return keras.Sequential([keras.Input((5,)), layer])


def same(actual, desired, atol=1e-6):
    actual, desired = ops.convert_to_numpy(actual), ops.convert_to_numpy(desired)
    np.testing.assert_allclose(actual, desired, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("grouping", ["contiguous", "strided"])
def test_equals_the_largest_of_its_linear_pieces(grouping, use_bias):
    layer = MaxoutDense(
        4, 3, use_bias, bias_initializer="normal", grouping=grouping, name="m"
    )
    y = ops.convert_to_numpy(layer(X))
    kernel = ops.convert_to_numpy(layer.kernel)
    bias = ops.convert_to_numpy(layer.bias) if use_bias else np.zeros(12)
    step = 3 if grouping == "contiguous" else 1
    jump = 1 if grouping == "contiguous" else 4
    for unit in range(4):
        columns = [unit * step + piece * jump for piece in range(3)]
        due = (X @ kernel[:, columns] + bias[columns]).max(-1)
        np.testing.assert_allclose(y[:, unit], due, rtol=1e-5, atol=1e-6)


def test_is_dense_and_maxout_in_one():
    fused, dense = MaxoutDense(4, 3), keras.layers.Dense(12)
    two = keras.Sequential([keras.Input((5,)), dense, Maxout(3)])
    fused.build((None, 5))
    dense.set_weights(fused.get_weights())
    due = two.predict(X, verbose=0)
    np.testing.assert_allclose(model_of(fused).predict(X, verbose=0), due, rtol=1e-6)


def test_pieces_are_initialized_separately_with_the_fans_of_one():
    layer = MaxoutDense(256, 5, kernel_initializer="glorot_normal")
    layer.build((None, 256))
    pieces = ops.convert_to_numpy(layer.kernel).reshape(256, 256, 5)
    assert pieces.std((0, 1)) == pytest.approx(np.sqrt(2 / 512), rel=0.03)
    assert (np.ptp(pieces, axis=-1) > 0).all()


def test_an_initializer_per_piece_is_taken_as_it_is():
    given = PerPiece(keras.initializers.HeNormal(seed=1), 2)
    layers = [
        MaxoutDense(3, kernel_initializer=one) for one in (given, given.initializer)
    ]
    for layer in layers:
        layer.build((None, 5))
    same(layers[0].kernel, layers[1].kernel)


FIXED = [
    "identity",
    "zeros",
    "ones",
    keras.initializers.Constant(0.5),
    ScaledIdentity(0.5),
    Blocked(ScaledIdentity(), 2),
]


@pytest.mark.parametrize("initializer", FIXED, ids=lambda each: type(each).__name__)
def test_an_initializer_that_is_not_random_warns_of_equal_pieces(initializer):
    message = "All pieces .* start equal .*Received: kernel_initializer="
    with pytest.warns(UserWarning, match=message) as caught:
        layer = MaxoutDense(2, 3, kernel_initializer=initializer)
    assert len(caught) == 1 and caught[0].filename == __file__
    layer.build((None, 4))
    pieces = ops.convert_to_numpy(layer.kernel).reshape(4, 2, 3)
    assert (np.ptp(pieces, axis=-1) == 0).all()


RANDOM = [
    keras.initializers.HeNormal(seed=1),
    keras.initializers.RandomUniform(seed=keras.random.SeedGenerator(1)),
    Blocked("orthogonal", 2),
    lambda shape, dtype=None: keras.random.normal(shape, dtype=dtype),
]


@pytest.mark.parametrize("place", range(len(RANDOM)))
def test_no_two_pieces_of_a_random_initializer_start_equal(place):
    layer = MaxoutDense(2, 3, kernel_initializer=RANDOM[place])
    layer.build((None, 4))
    pieces = ops.convert_to_numpy(layer.kernel).reshape(4, 2, 3)
    assert (np.ptp(pieces, axis=-1) > 0).all()


def test_a_layer_of_a_config_does_not_warn_again():
    with pytest.warns(UserWarning, match="start equal"):
        layer = MaxoutDense(3, 3, kernel_initializer="zeros")
    assert MaxoutDense.from_config(layer.get_config()).num_pieces == 3


def test_one_piece_has_no_other_to_be_equal_to():
    layer = MaxoutDense(4, 1, kernel_initializer="identity")
    layer.build((None, 4))
    same(layer.kernel, np.eye(4))


def test_equal_pieces_become_different_in_training():
    with pytest.warns(UserWarning, match="start equal"):
        layer = MaxoutDense(4, kernel_initializer="zeros")
    model = model_of(layer)
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    kernel = ops.convert_to_numpy(layer.kernel)
    assert (kernel[:, ::2] != kernel[:, 1::2]).any()


@pytest.mark.parametrize(
    "arguments",
    [{"units": 4}, {"units": 2, "num_pieces": 3, "grouping": "strided"}],
    ids=str,
)
def test_passes_the_checks_of_a_layer(arguments):
    check_layer(MaxoutDense, arguments, input_shape=(2, 3, 4))


def test_works_within_time_distributed_and_on_unknown_steps():
    layer = MaxoutDense(4)
    inputs = keras.Input((None, 5))
    outputs = layer(inputs)
    again = keras.layers.TimeDistributed(layer)(inputs)
    assert outputs.shape == again.shape == (None, None, 4)
    both = keras.Model(inputs, [outputs, again])
    same(*both.predict(X[None], verbose=0))


def test_refuses_inputs_of_another_size_before_they_are_computed():
    layer = MaxoutDense(4)
    layer(keras.Input((5,)))
    with pytest.raises(ValueError, match="axis -1"):
        layer(keras.Input((6,)))


@keras.saving.register_keras_serializable(package="test")
class Half(keras.constraints.Constraint):
    def __call__(self, w):
        return 0.5 * w


def test_arguments_of_dense_can_be_read_and_survive(tmp_path):
    layer = MaxoutDense(
        4,
        kernel_regularizer=keras.regularizers.L1(0.5),
        bias_regularizer="l2",
        activity_regularizer=keras.regularizers.L2(0.25),
        bias_constraint="non_neg",
        kernel_constraint=Half(),
        trainable=False,
    )
    model = model_of(layer)
    clone = keras.models.clone_model(model)
    for copy in (layer, clone.layers[0], reloaded(model, tmp_path).layers[0]):
        assert copy.units == 4
        assert float(copy.kernel_regularizer.l1) == 0.5
        assert isinstance(copy.bias_regularizer, keras.regularizers.L2)
        assert float(copy.activity_regularizer.l2) == 0.25
        assert isinstance(copy.bias_constraint, keras.constraints.NonNeg)
        assert isinstance(copy.kernel_constraint, Half)
        assert not copy.trainable_variables
        assert isinstance(copy.kernel_initializer, keras.initializers.GlorotUniform)


def test_penalties_are_taken_once():
    layer = MaxoutDense(
        4, kernel_regularizer=keras.regularizers.L2(1.0), activity_regularizer="l1"
    )
    outputs = ops.convert_to_numpy(layer(X))
    kernel = ops.convert_to_numpy(layer.kernel)
    # Keras divides it by the number of samples from version 3.14 on.
    plain = keras.layers.Identity(activity_regularizer="l1")
    plain(outputs)
    due = [(kernel**2).sum(), ops.convert_to_numpy(plain.losses[0])]
    losses = [ops.convert_to_numpy(loss) for loss in layer.losses]
    same(sorted(losses), sorted(due))


@pytest.mark.parametrize("owner", [lambda layer: layer, lambda layer: layer.linear])
def test_a_regularizer_set_later_survives(owner, tmp_path):
    model = model_of(MaxoutDense(4))
    owner(model.layers[0]).kernel_regularizer = keras.regularizers.L2(0.1)
    for copy in (keras.models.clone_model(model), reloaded(model, tmp_path)):
        assert len(copy.losses) == 1


@pytest.mark.parametrize("late", [False, True])
def test_lora_trains_two_small_matrices_and_is_saved(late, tmp_path):
    layer = MaxoutDense(
        4, 3, lora_rank=None if late else 2, lora_alpha=None if late else 8
    )
    model = model_of(layer)
    before = ops.convert_to_numpy(layer.kernel)
    if late:
        layer.enable_lora(2, lora_alpha=8)
    assert layer.lora_enabled and (layer.lora_rank, layer.lora_alpha) == (2, 8)
    shapes = sorted(tuple(v.shape) for v in layer.trainable_variables)
    assert shapes == [(2, 12), (5, 2), (12,)]
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    assert not np.allclose(ops.convert_to_numpy(layer.kernel), before)
    copy = reloaded(model, tmp_path)
    same(copy(X), model(X))
    restored = copy.layers[0]
    assert (restored.lora_rank, restored.lora_alpha) == (2, 8)
    copy.fit(X, Y, verbose=0)


# Keras warns of every layer without weights.
@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
@pytest.mark.parametrize(
    "mode",
    ["int8", pytest.param("int4", marks=needs_keras("3.11", "has no int4")), "float8"],
)
@pytest.mark.parametrize("whole_model", [True, *once(False)])
def test_quantized_outputs_stay_near_and_are_saved(whole_model, mode, tmp_path):
    layer = MaxoutDense(4, 3)
    model = model_of(layer)
    before = model.predict(X, verbose=0)
    (model if whole_model else layer).quantize(mode)
    after = ops.convert_to_numpy(model(X))
    bound = {"int8": 0.03, "int4": 0.4, "float8": 0.2}[mode]
    assert 0 < abs(after - before).max() < bound * abs(before).max()
    copy = reloaded(model, tmp_path)
    assert copy.layers[0].linear.dtype_policy.quantization_mode == mode
    same(copy(X), after)
    same(copy.predict(X, verbose=0), after)
    same(reloaded(copy, tmp_path)(X), after)


def test_a_quantized_layer_takes_lora(tmp_path):
    layer = MaxoutDense(4, 3)
    model = model_of(layer)
    layer.quantize("int8")
    layer.enable_lora(2)
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    after = ops.convert_to_numpy(model(X))
    # Saving merges the change into the int8 kernel.
    copy = reloaded(model, tmp_path)
    same(copy(X), after, atol=0.05 * abs(after).max())


@needs_keras("3.13", "has no `Int8QuantizationConfig`")
def test_the_quantizers_chosen_are_saved(tmp_path):
    chosen = keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
    layer = MaxoutDense(4, 3)
    model = model_of(layer)
    layer.quantize(config=chosen)
    copy = reloaded(model, tmp_path)
    assert copy.layers[0].quantization_config.activation_quantizer is None
    same(copy(X), model(X))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"units": 0}, "units=0"),
        ({"units": "4"}, "units='4'"),
        ({"units": 4, "num_pieces": 0}, "num_pieces=0"),
        ({"units": 4, "grouping": "stride"}, "'strided'"),
        ({"units": 4, "kernel_initializer": None}, "must not be None"),
        ({"units": 4, "activation": "relu"}, "activation"),
    ],
    ids=str,
)
def test_rejects_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaxoutDense(**arguments)
