"""Compiled models that are used again train as the fresh ones they stand for."""

import gc
import itertools
import weakref

import keras
import numpy as np
import pytest
from keras import layers, losses, metrics, optimizers

from kcomponents import _keras, regularizers
from kcomponents import layers as own_layers
from kcomponents._keras import model_reuse as private
from kcomponents._keras.model_reuse import forget_names
from kcomponents.optimizers import clipped
from kcomponents.tuning._reuse.model_cache import CompiledModels
from kcomponents.tuning._reuse.structure import structure_of
from tests.keras_versions import needs_keras

eager = keras.backend.backend() == "torch"
compiled = pytest.mark.skipif(eager, reason="nothing is compiled")
uncompiled = pytest.mark.skipif(not eager, reason="steps are compiled")

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 16)).astype("float32")
Y = rng.integers(0, 3, 40).astype("int32")


def compile_(model, optimizer=None, loss=None, metrics=("accuracy",), **arguments):
    loss = loss or losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizer or optimizers.SGD(0.1)
    model.compile(optimizer, loss, metrics=list(metrics), **arguments)
    return model


def mlp(number=0.1, optimizer=None, activation="relu", units=4, **arguments):
    """A small model; `number` stands for all that a trial may choose."""
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(
                units, activation, kernel_regularizer=keras.regularizers.L2(number)
            ),
            layers.Dropout(number),
            layers.Dense(3),
        ]
    )
    return compile_(model, optimizer, **arguments)


def fit(model, **arguments):
    arguments = {"batch_size": 16, "epochs": 2, "validation_split": 0.2} | arguments
    return model.fit(X, Y, verbose=0, **arguments).history


def same_as_rebuilt(build, numbers, tolerance=1e-6):
    """Train for each number; compare the last trial with a model of its own."""
    models, found = CompiledModels(), None
    for seed, number in enumerate(numbers):
        keras.utils.set_random_seed(seed)
        found = models.model_for(build(number))
        assert models.reused is (seed > 0)
        history = fit(found)
    keras.utils.set_random_seed(seed)
    rebuilt = build(number)
    expected = fit(rebuilt)
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=tolerance, abs=tolerance)
    for mine, its in zip(found.get_weights(), rebuilt.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=tolerance, atol=tolerance)
    return found, rebuilt


# Training equals that of a fresh model.


def sequential(number):
    rate = min(number, 0.6)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(6, kernel_regularizer=keras.regularizers.L1L2(number, rate)),
            layers.BatchNormalization(),
            layers.LeakyReLU(number),
            layers.Dropout(rate),
            layers.Dense(3, bias_regularizer=regularizers.L2(number)),
        ]
    )
    return compile_(model, optimizers.SGD(0.05 + number, momentum=0.9))


@compiled
@pytest.mark.parametrize("numbers", [(0.3, 0.0), (0.0, 0.25)], ids=str)
def test_weights_and_history_are_those_of_a_rebuilt_model(numbers):
    found, rebuilt = same_as_rebuilt(sequential, numbers)
    mine, its = found.optimizer.variables, rebuilt.optimizer.variables
    for one, other in zip(mine, its, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)
    assert found.count_params() == rebuilt.count_params()


def nested(number):
    inputs = keras.Input((16,))
    block = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(
                5, activity_regularizer=regularizers.ElasticNet(number, number)
            ),
            layers.ELU(number + 0.5),
            layers.GaussianNoise(number),
            layers.AlphaDropout(number),
        ]
    )
    penalty = keras.regularizers.L1(number)
    skip = layers.Dense(5, kernel_regularizer=penalty)(inputs)
    x = layers.Add()([block(inputs), layers.GaussianDropout(number)(skip)])
    outputs = layers.Dense(3)(own_layers.PReLU()(x * 2.0))
    return compile_(keras.Model(inputs, outputs), optimizers.Adam(0.01 + number / 10))


@compiled
def test_layers_within_models_and_graphs_read_their_numbers():
    same_as_rebuilt(nested, (0.3, 0.0, 0.2), tolerance=1e-4)


def images(number):
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Reshape((4, 4, 1)),
            layers.Conv2D(4, 3, kernel_regularizer=regularizers.GroupLasso(number)),
            layers.SpatialDropout2D(number),
            layers.Reshape((4, 4)),
            layers.SpatialDropout1D(number),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    return compile_(model, optimizers.RMSprop(0.01))


@compiled
def test_whole_channels_are_dropped_as_in_a_fresh_model():
    same_as_rebuilt(images, (0.2, 0.4), tolerance=1e-5)


@compiled
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_precision_is_that_of_a_fresh_model(policy):
    keras.config.set_dtype_policy(policy)

    def build(number):
        return mlp(number, optimizers.Adagrad(number))

    found, rebuilt = same_as_rebuilt(build, (0.3, 0.2), tolerance=2e-3)
    assert type(found.optimizer) is type(rebuilt.optimizer)


def poisonable(number):
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(4, kernel_regularizer=keras.regularizers.L2(number)),
            layers.BatchNormalization(),
            layers.Dropout(number),
            layers.Dense(3),
        ]
    )
    return compile_(model, optimizers.Adagrad(number))


@compiled
def test_a_trial_that_ended_in_nan_leaves_nothing_behind():
    keras.config.set_dtype_policy("mixed_float16")
    models = CompiledModels()
    found = models.model_for(poisonable(0.3))
    found.fit(X * np.nan, Y, epochs=1, verbose=0)
    assert np.isnan(found.layers[1].moving_mean.numpy()).any()
    found.stop_training = True
    for variable in found.optimizer.variables:
        variable.assign(np.full(variable.shape, 7))

    twin = poisonable(0.2)
    fresh = keras.models.clone_model(twin)
    fresh.set_weights(twin.get_weights())
    compile_(fresh, optimizers.Adagrad(0.2))
    assert models.model_for(fresh) is found
    assert found.stop_training is False
    twin.optimizer.build(twin.trainable_variables)
    # Of Adagrad, the accumulators begin at 0.1; the loss scale is high again.
    pairs = [(found.weights, twin.weights)]
    pairs += [(found.optimizer.variables, twin.optimizer.variables)]
    for mine, its in pairs:
        for one, other in zip(mine, its, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert not any(v.numpy().any() for v in found.metrics_variables)


@compiled
def test_a_trial_broken_off_within_an_epoch_leaves_nothing_behind():
    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError

    models = CompiledModels()
    with pytest.raises(RuntimeError):
        fit(models.model_for(mlp(0.3)), callbacks=[Break()])
    keras.utils.set_random_seed(0)
    found = models.model_for(mlp(0.2))
    assert models.reused
    history = fit(found)
    keras.utils.set_random_seed(0)
    assert history["loss"] == pytest.approx(fit(mlp(0.2))["loss"], rel=1e-6)


@compiled
def test_steps_are_traced_for_the_first_trial_only(monkeypatch):
    traced = []
    plain = layers.Flatten.call
    call = lambda self, inputs: traced.append(1) or plain(self, inputs)  # noqa: E731
    monkeypatch.setattr(layers.Flatten, "call", call)

    def build(number):
        model = mlp(number)
        top = keras.Sequential([keras.Input((16,)), layers.Flatten(), *model.layers])
        return compile_(top)

    models = CompiledModels()
    fit(models.model_for(build(0.1)))
    first = len(traced)
    assert first > 0
    for number in (0.2, 0.0):
        fit(models.model_for(build(number)))
    # Layers with a shape known beforehand are not called when a model is built.
    assert len(traced) == first


# What can be seen of the model is that of the plain one.


@compiled
def test_attributes_weights_and_files_are_those_of_the_plain_model(tmp_path):
    models = CompiledModels()
    models.model_for(sequential(0.5))
    found, plain = models.model_for(sequential(0.25)), sequential(0.25)
    assert models.reused
    assert found.layers[0].kernel_regularizer.l1 == 0.25
    assert found.layers[0].kernel.regularizer.get_config() == {"l1": 0.25, "l2": 0.25}
    assert isinstance(found.layers[0].kernel.regularizer, keras.regularizers.L1L2)
    assert (found.layers[2].negative_slope, found.layers[3].rate) == (0.25, 0.25)
    assert [v.shape for v in found.weights] == [v.shape for v in plain.weights]
    found.save(tmp_path / "found.keras")
    found.save_weights(tmp_path / "found.weights.h5")
    plain.optimizer.build(plain.trainable_variables)
    plain.load_weights(tmp_path / "found.weights.h5")
    loaded = keras.models.load_model(tmp_path / "found.keras")
    expected = found.predict(X, verbose=0)
    for model in plain, loaded:
        np.testing.assert_allclose(model.predict(X, verbose=0), expected, atol=1e-6)
    assert structure_of(loaded) == structure_of(plain)


@compiled
def test_a_regularizer_of_outputs_is_saved_as_the_plain_one(tmp_path):
    models = CompiledModels()
    models.model_for(nested(0.5))
    found = models.model_for(nested(0.25))
    path = tmp_path / "found.keras"
    found.save(path)
    [loaded] = [
        layer.activity_regularizer
        for layer in _keras.layers_of(keras.models.load_model(path))
        if layer.activity_regularizer
    ]
    assert type(loaded) is regularizers.ElasticNet
    assert loaded.strength == 0.25


@compiled
def test_only_so_many_models_are_kept():
    models = CompiledModels(size=2)
    first = models.model_for(mlp(units=1))
    second = weakref.ref(models.model_for(mlp(units=2)))
    assert models.model_for(mlp(units=1)) is first
    models.model_for(mlp(units=3))
    gc.collect()
    assert second() is None
    assert models.model_for(mlp(units=1)) is first
    models.model_for(mlp(units=2))
    assert not models.reused


@compiled
def test_only_so_many_weights_are_kept_but_for_the_last_model():
    models = CompiledModels(weights=mlp(units=2).count_params())
    large = models.model_for(mlp(units=8))
    assert models.holds(large)
    small = models.model_for(mlp(units=1))
    assert models.holds(small) and not models.holds(large)
    assert models.model_for(mlp(units=1)) is small


@compiled
def test_a_kept_model_that_a_trial_changed_is_not_used_again():
    models = CompiledModels()
    changed = models.model_for(mlp())
    changed.layers[0].trainable = False
    found = models.model_for(mlp())
    assert found is not changed
    compile_(found)
    assert models.model_for(mlp()) is not found
    assert not models.reused


# What makes a structure.


@compiled
def test_structure_is_blind_to_numbers_first_weights_and_names_of_keras():
    assert structure_of(mlp(0.1)) == structure_of(mlp(0.0)) is not None
    assert structure_of(nested(0.1)) == structure_of(nested(0.3)) is not None
    he = mlp()
    he.layers[0].kernel_initializer = keras.initializers.HeNormal()
    assert structure_of(he) == structure_of(mlp())
    scored = [structure_of(mlp(metrics=[metrics.AUC()])) for _ in range(2)]
    assert scored[0] == scored[1] is not None
    both = [with_layer(both_ways()) for _ in range(2)]
    assert structure_of(both[0]) == structure_of(both[1]) is not None


def frozen():
    model = mlp()
    model.layers[0].trainable = False
    return compile_(model)


def excluding():
    model = mlp(0.1, optimizers.AdamW(0.1))
    regularizers.exclude_from_decay(model.optimizer, model)
    return model


def with_penalty(penalty):
    model = mlp()
    regularizers.apply(model, penalty)
    return model


def named(name):
    dense = layers.Dense(3, name=name)
    return compile_(keras.Sequential([keras.Input((16,)), dense]))


def both_ways():
    lstm = layers.Bidirectional(layers.LSTM(2, return_sequences=True))
    block = [keras.Input((16,)), layers.Reshape((4, 4)), lstm, layers.Flatten()]
    return keras.Sequential(block)


def in_two_layers(tied):
    first, second = layers.Dense(16), layers.Dense(16)
    model = with_layer(first, second)
    if tied:
        [kernel, _] = private.own_variables(first)
        model.layers[1].__dict__["_trainable_variables"][0] = kernel
    return model


def in_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = mlp()
    keras.config.set_dtype_policy("float32")
    return model


DIFFERENT = [
    mlp,
    frozen,
    excluding,
    in_bfloat16,
    lambda: mlp(activation="elu"),
    lambda: mlp(units=5),
    lambda: mlp(loss=losses.SparseCategoricalCrossentropy()),
    lambda: mlp(loss="mse"),
    lambda: mlp(metrics=["mse"]),
    lambda: mlp(metrics=[metrics.SparseTopKCategoricalAccuracy(2)]),
    lambda: mlp(metrics=[metrics.SparseTopKCategoricalAccuracy(3)]),
    lambda: mlp(steps_per_execution=2),
    lambda: mlp(run_eagerly=True),
    lambda: mlp(optimizer=optimizers.Adam(0.1)),
    lambda: mlp(optimizer=optimizers.AdamW(0.1)),
    lambda: mlp(optimizer=optimizers.SGD(0.1, momentum=0.5)),
    lambda: mlp(optimizer=optimizers.SGD(0.1, clipnorm=1.0)),
    lambda: mlp(optimizer=optimizers.SGD(0.1, clipnorm=2.0)),
    lambda: mlp(optimizer=clipped(optimizers.SGD(0.1), clipnorm=1.0)),
    lambda: mlp(optimizer=optimizers.LossScaleOptimizer(optimizers.SGD(0.1))),
    lambda: mlp(optimizer=optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 9))),
    lambda: mlp(optimizer=optimizers.SGD(optimizers.schedules.CosineDecay(0.2, 9))),
    lambda: with_penalty(keras.regularizers.L1(0.1)),
    lambda: with_penalty(regularizers.L2(0.1)),
    lambda: with_penalty(regularizers.GroupLasso(0.1, axis=0)),
    lambda: with_penalty(regularizers.GroupLasso(0.1, axis=1)),
    lambda: named("first"),
    lambda: named("second"),
    lambda: named(None),
    lambda: in_two_layers(tied=False),
    lambda: in_two_layers(tied=True),
]


@compiled
def test_each_difference_makes_another_structure():
    found = [structure_of(build()) for build in DIFFERENT]
    assert None not in found
    assert len(set(found)) == len(DIFFERENT)
    assert [structure_of(build()) for build in DIFFERENT] == found


# What is not known for certain is returned as it is.


def own_function(x):
    return x


def relu(x):
    return -x


class OwnModel(keras.Model):
    def train_step(self, *arguments):
        return super().train_step(*arguments)


class OwnLayer(layers.Dense):
    pass


class OwnLoss(losses.Loss):
    def call(self, y_true, y_pred):
        return y_pred


class OwnOptimizer(optimizers.SGD):
    pass


class OwnRegularizer(keras.regularizers.Regularizer):
    def __call__(self, x):
        return keras.ops.sum(x)

    def get_config(self):
        return {}


def with_layer(*added):
    return compile_(keras.Sequential([keras.Input((16,)), *added, layers.Dense(3)]))


def own_model():
    inputs = keras.Input((16,))
    return compile_(OwnModel(inputs, layers.Dense(3)(inputs)))


def covered(find, name):
    model = mlp()
    thing = find(model)
    thing.__dict__[name] = getattr(thing, name)
    return model


def remembering():
    with keras.RematScope(mode="full"):
        return mlp()


UNKNOWN = [
    own_model,
    remembering,
    lambda: keras.Sequential([keras.Input((16,)), layers.Dense(3)]),
    lambda: compile_(keras.Sequential([layers.Dense(3)])),
    lambda: with_layer(OwnLayer(3)),
    lambda: with_layer(layers.Lambda(own_function)),
    lambda: with_layer(layers.Lambda(lambda x: x)),
    lambda: with_layer(layers.Normalization(mean=0.0, variance=1.0)),
    lambda: with_layer(layers.Dense(3, own_function)),
    lambda: with_layer(layers.Dense(3, relu)),
    lambda: with_layer(layers.Dense(3, lambda x: x)),
    lambda: with_layer(layers.Activation(own_function)),
    lambda: with_layer(layers.Dense(3, kernel_regularizer=OwnRegularizer())),
    pytest.param(
        lambda: with_layer(layers.Dense(3, kernel_regularizer=own_function)),
        marks=needs_keras("3.15", "refuses such a regularizer"),
    ),
    lambda: with_layer(layers.Dense(3, activity_regularizer=OwnRegularizer())),
    lambda: with_layer(layers.Dropout(1.0)),
    lambda: mlp(loss=OwnLoss()),
    lambda: mlp(loss=own_function),
    lambda: mlp(metrics=[own_function]),
    lambda: mlp(metrics=[metrics.MeanMetricWrapper(own_function)]),
    lambda: mlp(optimizer=OwnOptimizer(0.1)),
    lambda: mlp(optimizer=optimizers.SGD(lambda: 0.1)),
    lambda: covered(lambda model: model, "train_step"),
    lambda: covered(lambda model: model.layers[0], "call"),
    lambda: covered(lambda model: model.loss, "call"),
    lambda: covered(lambda model: model.optimizer, "update_step"),
]


@pytest.mark.parametrize("build", UNKNOWN)
def test_what_is_not_known_for_certain_is_returned_as_it_is(build):
    models = CompiledModels()
    for fresh in (build(), build()):
        before = {id(layer): set(vars(layer)) for layer in _keras.layers_of(fresh)}
        assert models.model_for(fresh) is fresh
        assert {id(la): set(vars(la)) for la in _keras.layers_of(fresh)} == before
        assert _keras.extra_variables_of(fresh) == []
        assert not models.reused


@compiled
def test_a_layer_that_a_kept_model_has_too_is_not_taken_from_it():
    models = CompiledModels()
    shared = layers.Dropout(0.5)
    first, second = with_layer(shared), with_layer(shared)
    assert models.model_for(first) is first
    assert models.model_for(second) is second
    assert _keras.extra_variables_of(second) == []


@uncompiled
def test_where_nothing_is_compiled_each_model_is_returned_as_it_is():
    models = CompiledModels()
    for fresh in (mlp(), mlp()):
        assert models.model_for(fresh) is fresh
        assert not models.reused


# Private names of Keras.


def test_names_that_keras_makes_up_begin_anew():
    forget_names()
    assert keras.layers.Dense(1).name == "dense"
    assert keras.layers.Dense(1).name == "dense_1"
    forget_names()
    assert keras.layers.Dense(1).name == "dense"


def test_own_variables_of_all_layers_are_those_of_the_model():
    model = nested(0.5)
    found = [
        v for layer in _keras.layers_of(model) for v in private.own_variables(layer)
    ]
    assert {id(v) for v in found} == {id(v) for v in model.variables}
    assert len(found) == len(model.variables)


def test_what_compile_was_given_is_found():
    model = mlp(metrics=["mae"], steps_per_execution=1)
    found = private.compile_arguments_for_reuse(model)
    assert found["metrics"] == ["mae"]
    assert isinstance(found["loss"], losses.SparseCategoricalCrossentropy)


def test_what_decays_is_found():
    model = excluding()
    found = private.uses_weight_decay(model.optimizer, model.trainable_variables)
    assert found == [True, False, True, False]


def test_the_noise_of_a_channel_is_one():
    layer = layers.SpatialDropout1D(0.5)
    assert private.spatial_noise_shape(layer, np.zeros((2, 3, 4)))[1:] == (1, 4)


def test_a_look_at_a_batch_is_taken_once():
    model = mlp()
    model.fit(X[:4], Y[:4], verbose=0)
    private.draw_first_batch(model)
    if keras.backend.backend() == "tensorflow":
        # The first `fit` takes none there.
        assert not set(private.BUILDS) & set(vars(model))
        return
    [name] = set(private.BUILDS) & set(vars(model))
    taken = itertools.count()
    batches = ((0, 1, ((X[:4], Y[:4]),)) for _ in taken)
    getattr(model, name)(iterator=batches)
    assert name not in vars(model) and next(taken) == 1


def test_a_look_at_a_batch_follows_what_fit_calls_first(monkeypatch):
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow takes no look")
    model, drawn = mlp(), []
    build = keras.Model._symbolic_build

    def maybe_build(self, iterator=None, data_batch=None):
        if not self.optimizer.built:
            build(self, iterator=iterator)

    def of_fit(self, iterator=None, data_batch=None):
        if iterator is None:
            build(self, data_batch=data_batch)
        else:
            self._maybe_symbolic_build(iterator=iterator)

    monkeypatch.setattr(keras.Model, private.BUILDS[0], maybe_build, raising=False)
    monkeypatch.setattr(keras.Model, "_symbolic_build", of_fit)

    class Counted(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            drawn.append(index)
            return X[:4], Y[:4]

    model.fit(X[:4], Y[:4], verbose=0)
    counts = []
    for draws in (False, True):
        if draws:
            private.draw_first_batch(model)
        drawn.clear()
        model.fit(Counted(), shuffle=False, verbose=0)
        counts.append(drawn.count(0))
        assert not set(private.BUILDS) & set(vars(model))
    assert counts[1] == counts[0] + 1
