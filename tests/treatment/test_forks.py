"""A fork trains as its model would, and the model does not notice."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents._keras.random_state import no_trace, random_state
from kcomponents.treatment._forks import fork

layers = keras.layers
X = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
Y = X[:, :1] * 2 + 1


def bent(x):
    return ops.tanh(x) + 0.1 * x


class Scaled(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.scale


class Subclassed(keras.Model):
    def __init__(self, units=4):
        super().__init__()
        self.hidden = layers.Dense(units, activation=bent)
        self.drop, self.last = layers.Dropout(0.3), layers.Dense(1)

    def call(self, x, training=False):
        return self.last(self.drop(self.hidden(x), training=training))


def sequential():
    hidden = [layers.Dense(5, "relu"), layers.BatchNormalization(), layers.Dropout(0.2)]
    return keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(1)])


def nested():
    inputs, inner = keras.Input((6,)), sequential()
    shared = Scaled()
    x = layers.Lambda(lambda t: t * 0.5)(shared(inner(shared(inputs))))
    return keras.Model(inputs, layers.Dense(1, activation=bent)(x))


def subclassed():
    class Local(Subclassed):
        pass

    model = Local()
    model(X)
    return model


MODELS = {kind.__name__: kind for kind in (sequential, nested, subclassed)}


def values_of(model):
    """Return copies of all variables of a model and of its optimizer."""
    variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def compiled(kind, optimizer=None):
    keras.utils.set_random_seed(1)
    model = MODELS[kind]()
    optimizer = optimizer or keras.optimizers.Adam(0.01)
    model.compile(optimizer, lambda y, p: ops.mean(ops.square(y - p)), metrics=["mae"])
    return model


@pytest.mark.parametrize("kind", MODELS)
def test_a_fork_trains_as_its_model_would(kind):
    model = compiled(kind)
    model.fit(X, Y, epochs=2, verbose=0)
    copy = fork(model)
    assert_equal(values_of(copy)[-9:], values_of(model)[-9:])
    # On PyTorch, the first look at a batch draws random numbers.
    copy.evaluate(X, Y, verbose=0)
    with no_trace():
        found = copy.fit(X, Y, epochs=3, shuffle=False, verbose=0).history
        weights = copy.get_weights()
    expected = model.fit(X, Y, epochs=3, shuffle=False, verbose=0).history
    assert found.keys() == expected.keys()
    for name, numbers in expected.items():
        np.testing.assert_allclose(found[name], numbers, rtol=1e-5)
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", MODELS)
def test_the_model_and_all_random_generators_stay_as_they_were(kind):
    model = compiled(kind)
    number = number_of_name()
    before, randoms = values_of(model), random_state()
    with no_trace():
        copy = fork(model)
        copy.fit(X, Y, verbose=0)
        layers.Dropout(0.5)(X, training=True)
    assert_equal(values_of(model), before)
    assert not model.optimizer.built and model.optimizer is not copy.optimizer
    after = random_state()
    assert after["python"] == randoms["python"]
    assert str(after) == str(randoms)
    assert number_of_name() == number + 1


def number_of_name():
    """Return the number in the default name of the next dense layer."""
    return int(layers.Dense(1).name.rpartition("_")[2])


def test_a_model_that_is_not_built_is_copied_too():
    model = keras.Sequential([layers.Dense(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    fork(model).fit(X, Y, verbose=0)
    assert not model.built


def test_arguments_of_compile_can_be_changed():
    model = compiled("sequential")
    model.compile("sgd", "mse", steps_per_execution=4)
    assert fork(model, steps_per_execution=1).steps_per_execution == 1
    assert fork(lambda: model, steps_per_execution=2).steps_per_execution == 2


def test_weights_that_do_not_decay_do_not_in_the_fork():
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model = compiled("sequential", optimizer)
    model.fit(X, Y, verbose=0)
    copy = fork(model)
    copy.evaluate(X, Y, verbose=0)
    with no_trace():
        copy.fit(X, Y, shuffle=False, verbose=0)
    model.fit(X, Y, shuffle=False, verbose=0)
    for one, other in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_scaled_loss_stays_scaled():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = compiled("sequential")
    finally:
        keras.config.set_dtype_policy(before)
    model.fit(X, Y, verbose=0)
    copy = fork(model)
    assert type(copy.optimizer) is type(model.optimizer)
    assert isinstance(copy.optimizer.inner_optimizer, keras.optimizers.Adam)
    assert_equal(values_of(copy)[-9:], values_of(model)[-9:])


class Pair(keras.Model):
    """A model with a `compile` of its own."""

    def compile(self, optimizer, other):
        super().compile(optimizer)
        self.other = other


class Closed(keras.Model):
    """A model that its config does not make again."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def get_config(self):
        return {}

    def call(self, x):
        return self.inner(x)


def test_what_cannot_be_copied_is_refused():
    inputs = keras.Input((6,))
    pair = Pair(inputs, layers.Dense(1)(inputs))
    pair.compile("sgd", "sgd")
    with pytest.raises(ValueError, match="`compile` of its own.*Received: model="):
        fork(pair)
    closed = Closed(sequential())
    closed.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Pass a function that returns the compiled"):
        fork(closed)
    with pytest.raises(ValueError, match="must be compiled with an optimizer"):
        fork(sequential())
    with pytest.raises(ValueError, match="or a function that returns one"):
        fork(3)
    with pytest.raises(ValueError, match="function that returns a Keras model"):
        fork(lambda: 3)
    with pytest.raises(ValueError, match="must be compiled with an optimizer"):
        fork(sequential)


def test_a_schedule_can_be_replaced_by_a_learning_rate():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9)
    model = compiled("sequential", keras.optimizers.Adam(schedule))
    model.fit(X, Y, verbose=0)
    copy = fork(model, learning_rate=0.25)
    assert float(copy.optimizer.learning_rate) == 0.25
    copy.optimizer.learning_rate = 0.5
    for one, other in zip(
        [copy.optimizer.iterations, *copy.optimizer.variables[2:]],
        [model.optimizer.iterations, *model.optimizer.variables[1:]],
        strict=True,
    ):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(one), ops.convert_to_numpy(other)
        )
    made = fork(lambda: compiled("sequential"), learning_rate=0.25)
    assert float(made.optimizer.learning_rate) == 0.25
    # With the same, the schedule goes on.
    again = fork(model).optimizer
    assert float(again.learning_rate) == float(model.optimizer.learning_rate)
