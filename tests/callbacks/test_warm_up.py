"""WarmUp raises the learning rate to its target, and then leaves it alone."""

import keras
import numpy as np
import pytest

from kcomponents.callbacks import Resume, WarmUp
from kcomponents.testing import check_callback

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X[:, :1] - X[:, 1:2]
layers = keras.layers


class Rates(keras.callbacks.Callback):
    """Keeps the learning rate of each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


class Linear(keras.optimizers.schedules.LearningRateSchedule):
    """The same rates as a schedule."""

    def __init__(self, steps, rate):
        self.steps, self.rate = steps, rate

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        return self.rate * keras.ops.minimum((step + 1) / self.steps, 1.0)


def trained(rate, callbacks, epochs=2, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate, **options), "mse")
    fit(model, callbacks, epochs)
    return model


def fit(model, callbacks, epochs=2):
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    model.fit(X, Y, epochs=epochs, callbacks=callbacks, **options)


def test_rates_rise_to_that_of_the_optimizer_and_others_may_change_it_then():
    rates, lower = Rates(), keras.callbacks.LearningRateScheduler(lambda e, r: r / 2)
    model = trained(0.06, [lower, WarmUp(6, 0.06), rates], epochs=3)
    expected = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.06, 0.06, *[0.03] * 4]
    np.testing.assert_allclose(rates.seen, expected, rtol=1e-5)
    # The steps of a second `fit` are no first steps.
    for again in (WarmUp(6), WarmUp(6, 0.06)):
        rates.seen.clear()
        fit(model, [again, rates], epochs=1)
        np.testing.assert_allclose(rates.seen, [0.03] * 4, rtol=1e-5)


@pytest.mark.parametrize("accumulation", [None, 2])
def test_training_is_that_of_a_schedule_with_these_rates(accumulation):
    options = {"gradient_accumulation_steps": accumulation}
    found = trained(0.05, [WarmUp(5)], **options)
    # A schedule counts batches, also of accumulated gradients.
    expected = trained(Linear(5 * (accumulation or 1), 0.05), [], **options)
    for one, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_run_that_stopped_within_the_warm_up_goes_on(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    whole = trained(0.05, [WarmUp(6)])
    with pytest.raises(KeyboardInterrupt):
        trained(0.05, [WarmUp(6), Resume(tmp_path / "run", save_freq=1), Stop()])
    resumed = trained(0.05, [WarmUp(6), Resume(tmp_path / "run", save_freq=1)])
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_it_keeps_the_promises_of_a_callback():
    check_callback(lambda: WarmUp(3), monitored=False)


def test_a_schedule_and_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match="whose learning rate is a number"):
        trained(Linear(5, 0.05), [WarmUp(3)])
    with pytest.raises(ValueError, match=r"`steps` must be.*Received: steps=0"):
        WarmUp(0)
    with pytest.raises(ValueError, match="`learning_rate` must be"):
        WarmUp(3, 0.0)
