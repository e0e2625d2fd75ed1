"""A learning rate is suggested at which the loss falls fast; the model stays."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents._keras.random_state import random_state
from kcomponents.treatment import RateSuggestion, suggest_learning_rate
from kcomponents.treatment.suggest_learning_rate import _end, _lowest

layers = keras.layers
X = np.random.default_rng(0).normal(size=(640, 3)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32")


def linear(optimizer, *more, **options):
    """Return a linear model, whose best rate for gradient descent is near 1 / 2."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), *more, layers.Dense(1)])
    model.compile(optimizer, "mse", **options)
    return model


def steps_at(rate, steps=40):
    """Return the mean of the last losses of gradient descent on new batches."""
    random, weights, losses = np.random.default_rng(1), np.zeros((3, 1)), []
    for _ in range(steps):
        x = X[random.choice(len(X), 32)]
        error = x @ (weights - Y_WEIGHTS)
        losses.append(np.mean(error**2))
        weights = weights - rate * 2 * x.T @ error / len(x)
    return np.mean(losses[-20:])


Y_WEIGHTS = np.array([[1.0], [-2.0], [0.5]])


@pytest.mark.parametrize("schedule", [False, True])
def test_the_suggestion_is_as_good_as_the_best_of_many_rates(schedule):
    rate = 1e-3
    if schedule:
        rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.5)
    found = suggest_learning_rate(linear(keras.optimizers.SGD(rate)), X, Y)
    best = min(np.logspace(-3, 0, 60), key=steps_at)
    assert best / 2 < found.learning_rate < best * 2
    assert found.rates[0] < found.learning_rate < found.rates[-1]
    # The best power of ten is 0.1, and the best rate so near the last one around it
    # that one beyond was tried.
    assert len(found.losses) == len(found.rates) == 8
    # All trials begin with the same weights and the same batch.
    assert len({losses[0] for losses in found.losses}) == 1
    assert f"Set learning_rate to {found.learning_rate:.2g}" in str(found)
    assert str(found) in found._repr_html_()


def test_the_model_and_all_random_generators_stay_as_they_were():
    model = linear(keras.optimizers.Adam(0.1), layers.Dropout(0.1), metrics=["mae"])
    model.fit(X, Y, verbose=0)
    model.train_on_batch(X, Y)

    def state():
        variables = model.variables, model.metrics_variables, model.optimizer.variables
        return [np.array(ops.convert_to_numpy(v)) for part in variables for v in part]

    before, randoms, function = state(), str(random_state()), model.train_function
    suggest_learning_rate(model, X, Y, steps=10)
    after = state()
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert str(random_state()) == randoms
    assert model.train_function is function


def test_two_suggestions_are_the_same():
    def suggested():
        model = linear("sgd", layers.Dropout(0.2, seed=1))
        return suggest_learning_rate(model, X, Y, steps=10)

    assert suggested() == suggested()


def test_accumulated_gradients_get_their_batches():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    found = suggest_learning_rate(linear(optimizer), X, Y, steps=10)
    assert max(map(len, found.losses)) == 10


def test_data_may_come_in_batches_and_the_model_from_a_function():
    batches = ((X[n : n + 16], Y[n : n + 16]) for n in range(0, 640, 16))
    found = suggest_learning_rate(lambda: linear("sgd"), batches, steps=12)
    assert 0.05 < found.learning_rate < 1.5


def test_a_loss_that_is_never_finite_is_refused():
    with pytest.raises(ValueError, match="finite at some learning rate.*loss=nan"):
        suggest_learning_rate(linear("sgd"), X * np.nan, Y)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 9}, r"`steps` must be at least 10\. Received: steps=9"),
        ({"steps": 1.5}, "`steps` must be a positive integer"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        suggest_learning_rate(linear("sgd"), X, Y, **options)


@pytest.mark.any_backend
def test_the_last_half_of_a_trial_counts_unless_it_diverged():
    assert _end([9.0, 9.0, 1.0, 3.0], 4) == 2.0
    assert _end([9.0, 9.0, 1.0], 4) == float("inf")
    assert _end([9.0, 9.0, 1.0, float("nan")], 4) == float("inf")


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        # A parabola over the exponents has its lowest point there.
        ([4.0, 1.0, 0.0, 1.0], 1e-2),
        ([2.25, 0.25, 0.25, 2.25], 10**-2.5),
        # Beside a rate that diverged, and at either end.
        ([4.0, 1.0, 0.5, float("inf")], 1e-2),
        ([0.0, 1.0, 2.0, 3.0], 1e-4),
        ([3.0, 2.0, 1.0, 0.0], 1e-1),
    ],
)
def test_the_rate_is_taken_between_those_that_were_tried(ends, expected):
    found = _lowest((1e-4, 1e-3, 1e-2, 1e-1), ends)
    assert found == pytest.approx(expected)


@pytest.mark.any_backend
def test_the_picture_shows_all_trials(tmp_path):
    losses = (2.0, 1.9), (2.0, 1.0), (2.0, 9.0)
    found = RateSuggestion(0.01, (0.001, 0.01, 0.1), losses, 2)
    figure = found.plot(tmp_path / "rates.png")
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["0.001", "0.01", "0.1"]
    np.testing.assert_array_equal(left.lines[1].get_ydata(), losses[1])
    assert right.lines[1].get_xdata()[0] == 0.01
    assert (tmp_path / "rates.png").stat().st_size > 1000
