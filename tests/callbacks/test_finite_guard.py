"""`FiniteGuard` finds planted NaN and infinities, and takes its actions."""

import copy

import keras
import numpy as np
import pytest
from keras import layers, ops

from kcomponents.callbacks import FiniteGuard, GradientNormLogger
from kcomponents.callbacks.finite_guard import GRADIENTS, LOSS, _findings_in
from kcomponents.record import Reading, Record
from kcomponents.testing import check_callback
from tests.backend_cases import once
from tests.keras_own import needs_several_steps

SAMPLES, BATCH = 16, 2
LOSS_IN_BATCH_3 = r"The loss was NaN or infinite in batch 3 of `fit` \(epoch 1\)\."
needs_several_optimizers = pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="It came with Keras 3.15"
)


@keras.saving.register_keras_serializable("tests")
class SpoiledGradient(layers.Layer):
    """Returns its inputs; the derivative is infinite where an input is 100."""

    def call(self, inputs):
        # The derivative of the square root at 0 is infinite.
        return inputs + 1e-3 * ops.sqrt(ops.abs(inputs - 100))


def data(spoiled=None, value=np.nan):
    """Return data whose batch of that number, from 1, holds one value."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(SAMPLES, 3)).astype("float32")
    if spoiled:
        x[(spoiled - 1) * BATCH, 0] = value
    return x, generator.normal(size=(SAMPLES, 1)).astype("float32")


def make_model(optimizer=None, **settings):
    keras.utils.set_random_seed(0)
    # On TensorFlow, a fused ReLU would hide NaN.
    hidden = layers.Dense(4, "tanh", name="hidden")
    last = layers.Dense(1, name="last")
    model = keras.Sequential([keras.Input((3,)), hidden, last], name="model")
    optimizer = optimizer or keras.optimizers.Adam(0.01, **settings)
    model.compile(optimizer, "mse")
    return model


def fit(model, x, y, *callbacks, epochs=1, **options):
    options = {"shuffle": False, "verbose": 0, "batch_size": BATCH, **options}
    return model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **options)


def state(model):
    return [v.numpy() for v in [*model.weights, *model.optimizer.variables]]


def messages(caught):
    """Return the messages of the callback, among all warnings."""
    texts = [str(warning.message) for warning in caught]
    return [text for text in texts if "NaN or infinite" in text]


def same(model, other):
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


def several_optimizers():
    choices = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
    choices["model/hidden/.*"] = keras.optimizers.Adam(0.01)
    return keras.optimizers.MultiOptimizer(choices)


@pytest.mark.parametrize("every", [None, 2])
def test_names_the_batch_of_a_loss(every):
    guard = FiniteGuard(every=every)
    with pytest.warns(UserWarning, match=LOSS_IN_BATCH_3):
        fit(make_model(), *data(3), guard, epochs=3)
    found = guard.finding
    assert (found.what, found.path, found.step, found.epoch) == ("loss", None, 3, 0)
    # At the end of the epoch, or at the first look from step 3 on.
    assert len(guard.readings) == (2 if every else 1)


@needs_several_steps
def test_names_the_batch_where_several_steps_are_one_execution():
    model, guard = make_model(), FiniteGuard()
    model.compile("sgd", "mse", steps_per_execution=4)
    with pytest.warns(UserWarning, match=LOSS_IN_BATCH_3):
        fit(model, *data(3), guard)
    assert guard.finding.step == 3


@needs_several_optimizers
def test_skips_where_several_optimizers_are_one():
    model, guard = make_model(several_optimizers()), FiniteGuard(action="skip")
    with pytest.warns(UserWarning, match="Batches with such gradients are skipped."):
        fit(model, *data(3), guard)
    assert guard.skipped == 1
    assert all(np.isfinite(value).all() for value in state(model))


def test_names_the_step_of_a_gradient():
    guard = FiniteGuard("gradients")
    with pytest.warns(UserWarning, match="gradient of `model/hidden/kernel`.*step 5"):
        fit(make_model(), *data(5), guard)


def test_counts_steps_from_the_beginning_of_the_fit():
    model = make_model()
    fit(model, *data())
    loss, gradient = FiniteGuard("loss"), FiniteGuard(["gradients"])
    with pytest.warns(UserWarning):
        fit(model, *data(4), loss, gradient)
    assert loss.finding.step == gradient.finding.step == 4


def test_counts_steps_over_epochs():
    guard = FiniteGuard("loss")
    with pytest.warns(UserWarning, match=r"batch 10 of `fit` \(epoch 2\)"):
        fit_epochs(guard, data(), data(2))


def fit_epochs(guard, *pairs):
    """Train an epoch on each pair of inputs and targets."""
    x, y = (np.concatenate(part) for part in zip(*pairs, strict=True))
    batches = ((x[i : i + 2], y[i : i + 2]) for i in range(0, len(x), 2))
    options = {"steps_per_epoch": SAMPLES // BATCH, "epochs": len(pairs)}
    options |= {"verbose": 0, "shuffle": False}
    make_model().fit(batches, callbacks=[guard], **options)


def test_names_the_step_where_gradients_are_accumulated():
    loss, gradient = FiniteGuard("loss"), FiniteGuard("gradients")
    model = make_model(gradient_accumulation_steps=2)
    with pytest.warns(UserWarning):
        fit(model, *data(5), loss, gradient)
    assert (loss.finding.step, gradient.finding.step) == (5, 3)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("batch", "step", "first"),
    [(4, 2, "loss"), (5, 2, "gradient"), (3, 1, "gradient"), (2, 1, "loss")],
)
def test_a_loss_comes_before_the_gradient_of_the_step_that_its_batch_is_in(
    batch, step, first
):
    values = {LOSS.name: {"all": batch}, GRADIENTS.name: {"kernel": step + 10}}
    reading = Reading(epoch=0, step=12, values=values)
    found = _findings_in(reading, steps_before=10, window=2)
    assert [finding.what for finding in found][0] == first and len(found) == 2


def test_finds_infinite_gradients_of_a_finite_loss():
    inputs = keras.Input((3,))
    hidden = SpoiledGradient(name="spoiled")(layers.Dense(3, name="before")(inputs))
    model = keras.Model(inputs, layers.Dense(1, name="after")(hidden))
    model.get_layer("before").set_weights([np.zeros((3, 3)), np.full(3, 100.0)])
    model.compile("sgd", "mse")
    guard = FiniteGuard()
    with pytest.warns(UserWarning, match="gradient of `before/kernel`.* in step 1 "):
        fit(model, *data(), guard)


@pytest.mark.parametrize("action", ["stop", "skip", "rollback"])
def test_finds_weights_that_were_not_finite_before(action):
    model = make_model()
    model.layers[0].kernel.assign(np.full((3, 4), np.nan))
    guard = FiniteGuard(action=action)
    with pytest.warns(UserWarning, match="`model/hidden/kernel`.*before") as told:
        fit(model, *data(), guard, epochs=3)
    assert (guard.finding.what, guard.finding.step) == ("weight", 0)
    assert model.stop_training and len(messages(told)) == 1


def test_finds_weights_that_hide_behind_a_finite_loss():
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4:
                average = self.model.get_layer("normal").moving_mean
                average.assign(np.full(average.shape, np.inf))

    # In training, moving averages are not looked at.
    hidden = layers.BatchNormalization(name="normal")
    model = keras.Sequential([keras.Input((3,)), hidden, layers.Dense(1)])
    model.compile("sgd", "mse")
    guard = FiniteGuard(every=2)
    message = "moving_mean.*infinite after step 6 .*, but finite after step 4"
    with pytest.warns(UserWarning, match=message):
        fit(model, *data(), Spoil(), guard)
    assert (guard.finding.step, guard.finding.since) == (6, 4)


def test_stops_only_after_the_look():
    model, guard = make_model(), FiniteGuard()
    with pytest.warns(UserWarning, match="Training stops"):
        history = fit(model, *data(3), guard, epochs=5)
    assert len(history.epoch) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_skips_as_if_the_batch_were_not_there(value):
    model, guard = make_model(), FiniteGuard(action="skip")
    with pytest.warns(UserWarning, match="skipped") as told:
        history = fit(model, *data(3, value), guard, epochs=2)
    x, y = data()
    rest = np.r_[:4, 6:SAMPLES]
    plain = make_model()
    fit(plain, x[rest], y[rest], epochs=2)
    same(model, plain)
    assert len(history.epoch) == 2 and len(messages(told)) == 1
    assert guard.skipped == 2 and "skipped: 2" in guard.report


def test_skips_a_batch_of_those_that_are_accumulated():
    settings = {"gradient_accumulation_steps": 2}
    model, guard = make_model(**settings), FiniteGuard(action="skip")
    with pytest.warns(UserWarning):
        fit(model, *data(3), guard)
    x, y = data()
    rest = np.r_[:4, 6:SAMPLES]
    plain = make_model(**settings)
    fit(plain, x[rest], y[rest])
    same(model, plain)
    assert guard.skipped == 1


@pytest.mark.parametrize("every", [None, 3])
def test_rolls_back_to_the_last_finite_state(every):
    model = make_model()
    guard = FiniteGuard(action="rollback", every=every)
    plain = make_model()
    plain.optimizer.build(plain.trainable_variables)
    with pytest.warns(UserWarning, match="were restored"):
        fit(model, *data(8), guard)
    if every:
        # The last look before the batch that is spoiled was after step 6.
        x, y = data()
        fit(plain, x[:12], y[:12])
    plain.optimizer.learning_rate = 0.005
    same(model, plain)
    assert guard.rollbacks == 1


def test_goes_back_so_many_times_and_then_ends_where_all_is_finite():
    model, guard = make_model(), FiniteGuard(action="rollback", max_rollbacks=2)
    with pytest.warns(UserWarning) as told:
        history = fit(model, *data(3), guard, epochs=9)
    assert len(history.epoch) == 3 and len(messages(told)) == 3
    plain = make_model()
    plain.optimizer.learning_rate = 0.0025
    plain.optimizer.build(plain.trainable_variables)
    same(model, plain)


def test_goes_on_after_a_rollback():
    class Mend(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.layers[0].kernel.assign(np.full((3, 4), np.nan))

    model, guard = make_model(), FiniteGuard(action="rollback")
    with pytest.warns(UserWarning):
        history = fit(model, *data(), guard, Mend(), epochs=4)
    assert len(history.epoch) == 4 and guard.rollbacks == 1
    assert np.isfinite(history.history["loss"][3])
    assert int(model.optimizer.iterations) == 24


def test_counts_steps_on_after_a_rollback():
    record = Record()
    guard = FiniteGuard(action="rollback", record=record)
    with pytest.warns(UserWarning) as told:
        fit_epochs(guard, data(3), data(), data(5))
    first, second = messages(told)
    assert "batch 3 " in first and "batch 21 " in second
    assert [reading.step for reading in record.readings] == [8, 16, 24]


@pytest.mark.parametrize("when", ["before", "in"])
def test_raises_and_leaves_the_model_as_it_was(when):
    model = make_model()
    if when == "before":
        model.layers[0].kernel.assign(np.full((3, 4), np.nan))
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        fit(model, *data(3), FiniteGuard(action="raise"))
    assert "apply" not in vars(model.optimizer)


def test_steps_that_loss_scaling_skips_are_no_finding():
    keras.config.set_dtype_policy("mixed_float16")
    model = make_model()
    model.optimizer.initial_scale = 2.0**40
    guard = FiniteGuard()
    fit(model, *data(), guard)
    assert guard.finding is None and int(model.optimizer.iterations) < 8


@pytest.mark.parametrize("action", ["skip", "rollback"])
def test_acts_with_loss_scaling_too(action):
    keras.config.set_dtype_policy("mixed_float16")
    model = make_model()
    model.optimizer.initial_scale = 16.0
    with pytest.warns(UserWarning):
        fit(model, *data(3), FiniteGuard(action=action), epochs=2)
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)
    if action == "rollback":
        assert float(model.optimizer.learning_rate) == pytest.approx(0.0025)


@pytest.mark.parametrize("action", ["skip", "rollback", *once("stop", "raise")])
def test_is_quiet_and_leaves_training_as_it_is_where_all_is_finite(action, capsys):
    check_callback(lambda: FiniteGuard(action=action, every=3))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("action", ["skip", "rollback", *once("stop", "raise")])
def test_finite_training_is_bit_equal(action):
    model, plain = make_model(), make_model()
    guard = FiniteGuard(action=action)
    fit(model, *data(), guard, epochs=2)
    fit(plain, *data(), epochs=2)
    same(model, plain)
    assert guard.finding is None
    assert guard.report == "No NaN or infinity was found."


def test_works_beside_another_monitor():
    model, guard = make_model(), FiniteGuard(action="skip")
    with pytest.warns(UserWarning):
        history = fit(model, *data(3), GradientNormLogger(), guard).history
    assert history["skipped_steps"] == [1]


def test_one_instance_forgets_the_fit_before():
    guard = FiniteGuard(action="skip")
    with pytest.warns(UserWarning):
        fit(make_model(), *data(3), guard)
    assert copy.deepcopy(guard).finding == guard.finding
    fit(make_model(), *data(), guard)
    assert guard.finding is None and guard.skipped == 0


@pytest.mark.any_backend
def test_prints_the_report_if_asked(capsys):
    fit(make_model(), *data(), FiniteGuard(verbose=1))
    assert capsys.readouterr().out == "No NaN or infinity was found.\n"


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"check": "weight"}, "Did you mean one of 'weights'"),
        ({"check": ["loss", "gradient"]}, "Did you mean one of 'gradients'"),
        ({"check": []}, "check"),
        ({"check": 3}, "check"),
        ({"action": "roll_back"}, "Did you mean one of 'rollback'"),
        ({"action": "skip", "check": "loss"}, "gradients"),
        ({"factor": 0}, "factor"),
        ({"factor": 1}, "factor"),
        ({"factor": float("nan")}, "factor"),
        ({"max_rollbacks": 0}, "max_rollbacks"),
        ({"every": 0}, "every"),
        ({"record": {}}, "record"),
    ],
)
def test_refuses_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        FiniteGuard(**wrong)


@needs_several_optimizers
def test_refuses_to_roll_back_with_several_optimizers():
    with pytest.raises(ValueError, match="single learning rate.* Received: optimizer="):
        fit(make_model(several_optimizers()), *data(), FiniteGuard(action="rollback"))


def test_refuses_to_roll_back_with_a_schedule():
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model = make_model(keras.optimizers.SGD(rate))
    with pytest.raises(ValueError, match="schedule"):
        fit(model, *data(), FiniteGuard(action="rollback"))
    assert "apply" not in vars(model.optimizer)
