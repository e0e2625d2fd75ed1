"""Whatever ends `fit`, the model is whole, and nothing of kcomponents is left on it."""

import gc
import random
import signal

import keras
import numpy as np
import pytest

from kcomponents import _backends, callbacks
from kcomponents._keras.step_state import LOST, ForwardState
from tests.interruptions import exceptions
from tests.interruptions.exceptions import (
    ENDS,
    STEPS,
    Batches,
    Boom,
    Hook,
    draw_case,
    failures,
    fit,
    make_model,
    state,
    x,
    y,
)
from tests.keras_versions import needs_keras
from tests.random_cases import cases

BACKEND = keras.backend.backend()
SMALL = {"batch_size": 4, "verbose": 0}
pytestmark = [
    pytest.mark.usefixtures("small_heap"),
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),
    pytest.mark.filterwarnings("ignore:The resumed"),
]


@pytest.fixture(autouse=True)
def default_handler():
    """Let Ctrl-C raise, whatever the process and other tests have set."""
    # Ends trainings that other tests have left.
    gc.collect()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def early(**options):
    return callbacks.EarlyStopping("loss", patience=9, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", cases(range(8 if BACKEND == "torch" else 2), range(100))
)
def test_an_exception_at_a_random_place_leaves_the_last_finished_step(seed):
    assert failures(draw_case(random.Random(f"sample {seed}"))) == []


@pytest.mark.parametrize("end", ENDS)
def test_no_place_of_fit_keeps_what_was_changed_for_it(end):
    case = {
        "place": "on_train_batch_end",
        "end": end,
        "count": 3,
        "callbacks": ["GradientNormLogger", "EarlyStopping"],
        "optimizer": "adam",
        "run_eagerly": False,
        "second_fit": False,
        "keeps_traceback": True,
        "trap_first": False,
    }
    assert failures(case) == []


@pytest.mark.parametrize("make", [early, callbacks.GradientNormLogger])
def test_targets_of_a_wrong_shape_in_a_second_fit_leave_the_weights(make):
    model = make_model("adam")
    model.fit(x, y, **SMALL)
    before = state(model)
    with pytest.raises(Exception):  # noqa: B017 - each backend has its own
        model.fit(x, np.zeros((len(x), 3, 2)), callbacks=[make()], **SMALL)
    for ours, theirs in zip(state(model), before, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX does not fail, it reads another row.")
def test_a_word_beyond_the_vocabulary_leaves_the_step_before():
    def make():
        keras.utils.set_random_seed(0)
        hidden = [
            keras.layers.Embedding(5, 3),
            keras.layers.Flatten(),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2, seed=1),
        ]
        inputs = keras.Input((2,), dtype="int32")
        model = keras.Sequential([inputs, *hidden, keras.layers.Dense(1)])
        model.compile("adam", "mse", jit_compile=False)
        return model

    words = np.arange(2 * len(y)).reshape(-1, 2) % 5
    options = {"shuffle": False, **SMALL}
    plain, model = make(), make()
    plain.fit(words[:8], y[:8], **options)
    # In the third batch.
    words[11] = 9
    with pytest.raises(Exception):  # noqa: B017 - each backend has its own
        model.fit(words, y, callbacks=[early()], **options)
    for ours, theirs in zip(state(model), state(plain), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX copies nothing before a step.")
def test_training_continues_where_the_state_before_a_step_cannot_be_kept(
    monkeypatch, caplog
):
    def fail(variables, into=None):
        raise RuntimeError("no memory")

    monkeypatch.setattr("kcomponents._backends.snapshot", fail)
    model = make_model("adam")
    with caplog.at_level("WARNING", logger="kcomponents"):
        fit(model, Batches(), Batches(), [callbacks.GradientNormLogger()])
    plain = make_model("adam")
    fit(plain, Batches(), Batches(), [])
    for ours, theirs in zip(state(model), state(plain), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    assert caplog.text.count("cannot be kept") == 1


@pytest.mark.skipif(BACKEND != "jax", reason="The guard changes steps only on JAX.")
def test_a_guarded_fit_compiles_no_step_that_a_plain_one_has():
    traces = []

    class Traced(keras.layers.Layer):
        def call(self, inputs):
            traces.append(1)
            return inputs

    model = keras.Sequential([keras.Input((4,)), Traced(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    options = {**SMALL, "validation_data": (x, y)}
    model.fit(x, y, callbacks=[early()], **options)
    count = len(traces)
    model.fit(x, y, **options)
    model.fit(x, y, callbacks=[early()], **options)
    assert len(traces) == count


class Interrupted(keras.layers.Layer):
    """A layer in whose call the user presses Ctrl-C."""

    presses = 0

    def call(self, inputs):
        for _ in range(Interrupted.presses):
            signal.raise_signal(signal.SIGINT)
        return inputs


def interrupted(presses):
    """Return a model and the states before and after the step that is interrupted."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(1)(Interrupted()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse", run_eagerly=True)
    Interrupted.presses = 0
    model.fit(x, y, **SMALL)
    before = int(model.optimizer.iterations)
    Interrupted.presses = presses
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, callbacks=[early()], **SMALL)
    finally:
        Interrupted.presses = 0
    return int(model.optimizer.iterations) - before


def test_the_first_ctrl_c_lets_the_step_finish():
    assert interrupted(presses=1) == 1


def test_the_second_ctrl_c_interrupts_the_step():
    assert interrupted(presses=2) == 0


def test_a_fit_whose_end_went_unnoticed_does_not_keep_ctrl_c_from_the_next():
    model = make_model("adam")
    with pytest.raises(ValueError) as kept:
        model.fit(x, y, validation_data=(x, y[:3]), callbacks=[early()], **SMALL)
    assert interrupted(presses=1) == 1
    assert interrupted(presses=2) == 0
    assert kept


def test_a_handler_of_the_program_is_called_and_comes_back():
    calls = []

    def handle(number, frame):
        calls.append(number)

    before = signal.signal(signal.SIGINT, handle)
    try:
        model = make_model("adam")
        press = Hook("on_train_batch_end", 2, ENDS["Ctrl-C"])
        model.fit(Batches(), callbacks=[early(), press], verbose=0)
        assert signal.getsignal(signal.SIGINT) is handle
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [signal.SIGINT]
    assert int(model.optimizer.iterations) == STEPS


def test_a_handler_of_an_ended_fit_is_passed_over_if_the_program_sets_it_again():
    model, found = make_model("adam"), []

    def replace():
        found.append(signal.signal(signal.SIGINT, signal.default_int_handler))

    replacing = Hook("on_epoch_begin", 1, replace)
    model.fit(x, y, callbacks=[early(), replacing], **SMALL)
    # As a program does that gives back what it found.
    signal.signal(signal.SIGINT, *found)
    model.fit(x, y, callbacks=[early()], **SMALL)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_validation_data_that_do_not_fit_leave_nothing():
    model = make_model("adam")
    plain = make_model("adam")
    plain.fit(x, y, **SMALL)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError) as kept:
        monitor = callbacks.GradientNormLogger()
        model.fit(x, y, validation_data=(x, y[:3]), callbacks=[monitor], **SMALL)
    # Even if the end of `fit` was not noticed, Ctrl-C works as before.
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    if BACKEND != "jax":
        # Keras calls nothing after this error, so it is noticed when the error is gone.
        del kept
        gc.collect()
    assert exceptions.leftovers(model, plain, handler) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: callbacks.DeadReLUMonitor(np.ones((4, 7))),
        lambda folder: callbacks.EarlyStopping(
            "loss", stopping_threshold=2, divergence_threshold=1
        ),
        lambda folder: callbacks.Resume(folder),
    ],
    ids=["data", "threshold", "other callback"],
)
def test_a_callback_that_refuses_its_arguments_leaves_nothing(make, tmp_path):
    model, plain = make_model("adam"), make_model("adam")
    plain.fit(x, y, **SMALL)
    handler = signal.getsignal(signal.SIGINT)
    # `Resume` refuses this one.
    other = keras.callbacks.BackupAndRestore(tmp_path / "keras")
    # The whole traceback keeps the list of callbacks, and with it what watches over it.
    keras.config.disable_traceback_filtering()
    try:
        with pytest.raises(ValueError) as kept:
            model.fit(x, y, callbacks=[make(tmp_path), other], **SMALL)
        assert exceptions.leftovers(model, plain, handler) == []
        del kept
    finally:
        keras.config.enable_traceback_filtering()


@pytest.mark.skipif(BACKEND != "jax", reason="Other backends do not donate buffers.")
@needs_keras("3.12", "cannot use such a model again")
def test_a_step_that_fails_on_the_device_says_that_the_weights_are_lost():
    import jax

    def fail(value):
        if fail.now:
            raise Boom
        return value

    class OnHost(keras.layers.Layer):
        def call(self, inputs):
            shape = jax.ShapeDtypeStruct(inputs.shape, inputs.dtype)
            return inputs + 0 * jax.lax.stop_gradient(
                jax.pure_callback(fail, shape, jax.lax.stop_gradient(inputs))
            )

    fail.now = False
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(OnHost()(inputs)))
    model.compile("sgd", "mse")
    model.fit(x, y, callbacks=[early()], **SMALL)
    weights = model.get_weights()
    fail.now = True
    with pytest.raises(Exception) as error:  # noqa: B017 - a private class of JAX
        model.fit(x, y, callbacks=[early()], **SMALL)
    assert LOST in getattr(error.value, "__notes__", [])
    # The model can be used again as the message says.
    fail.now = False
    model.set_weights(weights)
    model.optimizer.build(model.trainable_variables)
    assert np.isfinite(model.evaluate(x, y, verbose=0))


@pytest.mark.skipif(_backends.carries_state, reason="JAX gives each step all variables")
@pytest.mark.parametrize("trainable", [True, False])
def test_moving_averages_are_copied_in_each_step_if_it_may_change_them(trainable):
    normalization = keras.layers.BatchNormalization(trainable=trainable)
    stack = [keras.Input((3,)), normalization, keras.layers.Dense(1)]
    model = keras.Sequential(stack)
    model.compile("sgd", "mse")
    before = keras.ops.convert_to_numpy(normalization.moving_mean.value).copy()
    copied = {id(variable) for variable in ForwardState(model)._variables}
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    after = keras.ops.convert_to_numpy(normalization.moving_mean.value)
    assert (before != after).any() == trainable
    assert (id(normalization.moving_mean) in copied) == trainable
