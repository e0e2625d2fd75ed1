"""The checks of `kcomponents.testing` pass correct parts and fail wrong ones."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import testing
from tests.keras_versions import needs_keras

register = keras.saving.register_keras_serializable(package="tests_of_promises")


@register
class Right(keras.layers.Layer):
    """Scale by a weight, and keep every promise."""

    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start
        self.supports_masking = True

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs):
        return inputs * self.scale * self.start

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "start": self.start}


@register
class ForgetsItsConfig(Right):
    def get_config(self):
        return keras.layers.Layer.get_config(self)


@register
class PromisesAnotherShape(Right):
    def compute_output_shape(self, input_shape):
        return (*input_shape, 1)


@register
class LeavesItsPrecision(Right):
    def call(self, inputs):
        return ops.cast(super().call(inputs), "float32")


@register
class LosesTheMask(Right):
    def compute_mask(self, inputs, previous_mask):
        return None


@register
class KeepsStateOutOfItsWeights(Right):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.offset = float(np.random.default_rng().normal())

    def call(self, inputs):
        return super().call(inputs) + self.offset


def test_a_correct_layer_passes():
    testing.check_layer(Right, {"start": 2.0}, input_shape=(2, 3, 4))


@pytest.mark.parametrize(
    ("layer", "complaint"),
    [
        (ForgetsItsConfig, "different outputs"),
        (PromisesAnotherShape, "compute_output_shape"),
        (LeavesItsPrecision, "not in compute dtype"),
        (LosesTheMask, "loses the mask"),
        (KeepsStateOutOfItsWeights, "different outputs"),
    ],
)
def test_a_wrong_layer_fails(layer, complaint):
    arguments = {"start": 2.0} if layer is ForgetsItsConfig else {}
    with pytest.raises(AssertionError, match=complaint):
        testing.check_layer(layer, arguments, input_shape=(2, 3, 4))


@register
class FailsInTraining(Right):
    def call(self, inputs, training=False):
        assert not training, "fails in training"
        return super().call(inputs)


def test_a_layer_that_cannot_be_trained_fails():
    with pytest.raises(AssertionError, match="fails in training"):
        testing.check_layer(FailsInTraining, input_shape=(2, 3, 4))


class Nudge(keras.callbacks.Callback):
    """Change a weight, as no monitor may."""

    def on_epoch_end(self, epoch, logs=None):
        weights = self.model.get_weights()
        self.model.set_weights([w + 0.1 for w in weights])


class LeavesAVariable(keras.callbacks.Callback):
    """Forget to take its variable off."""

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        optimizer.build(self.model.trainable_variables)
        optimizer.add_variable((), name="leftover")


FAILS = needs_keras("3.12", "fails of such a variable itself", backend="jax")


@pytest.mark.parametrize(
    "callback", [Nudge, pytest.param(LeavesAVariable, marks=FAILS)]
)
def test_a_callback_that_changes_training_fails(callback):
    with pytest.raises(AssertionError):
        testing.check_callback(callback)


def test_a_callback_may_change_training_if_declared():
    testing.check_callback(Nudge, monitored=False)


@register
class NaNAtZero(keras.regularizers.Regularizer):
    def __call__(self, x):
        return ops.sqrt(ops.sum(ops.square(x)))

    def get_config(self):
        return {}


@register
class PerColumn(NaNAtZero):
    def __call__(self, x):
        return ops.sum(ops.square(x), axis=0)


@pytest.mark.parametrize(
    ("regularizer", "complaint"),
    [(NaNAtZero, "gradient is not finite"), (PerColumn, "not a scalar")],
)
def test_a_wrong_regularizer_fails(regularizer, complaint):
    with pytest.raises(AssertionError, match=complaint):
        testing.check_regularizer(regularizer())


@register
class Doubles(keras.constraints.Constraint):
    def __call__(self, w):
        return ops.concatenate([w, w])

    def get_config(self):
        return {}


@register
class BreaksLargeWeights(Doubles):
    def __call__(self, w):
        return ops.where(ops.abs(w) > 3, np.nan, w)


@register
class UpCasts(Doubles):
    def __call__(self, w):
        return ops.cast(w, "float32")


@pytest.mark.parametrize(
    ("constraint", "complaint"),
    [(Doubles, "shape"), (BreaksLargeWeights, "not finite"), (UpCasts, "float16")],
)
def test_a_wrong_constraint_fails(constraint, complaint):
    with pytest.raises(AssertionError, match=complaint):
        testing.check_constraint(constraint())


@register
class ForgetsTheDtype(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return ops.ones(shape, "float32")


@register
class ForgetsTheShape(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return ops.ones((2, 2), dtype)


@pytest.mark.parametrize(
    ("initializer", "complaint"),
    [(ForgetsTheDtype, "float32, not float16"), (ForgetsTheShape, "wrong shape")],
)
def test_a_wrong_initializer_fails(initializer, complaint):
    with pytest.raises(AssertionError, match=complaint):
        testing.check_initializer(initializer(), shape=(2, 3))


@register
class NeverMoves(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        pass


def test_a_wrong_optimizer_fails():
    with pytest.raises(AssertionError, match="changed no weight"):
        testing.check_optimizer(NeverMoves)


def test_a_gradient_is_zero_where_nothing_depends_on_it():
    slopes = testing.gradient(lambda x, y: ops.sum(x**2), [1.0, 2.0], [3.0])
    np.testing.assert_allclose(slopes[0], [2.0, 4.0])
    np.testing.assert_allclose(slopes[1], [0.0])
