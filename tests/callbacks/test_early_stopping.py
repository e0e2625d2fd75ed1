"""`EarlyStopping`: the behavior that Keras has, and what is added to it."""

import copy
import math
import types

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents import _backends
from kcomponents.callbacks import (
    GL,
    PQ,
    UP,
    EarlyStopping,
    GradientNormLogger,
    Patience,
    StopReason,
)
from kcomponents.testing import check_callback
from tests.backend_cases import once
from tests.keras_own import cases, run, theirs_in

early_stopping_test = theirs_in("callbacks.early_stopping_test")
monitor_callback_test = theirs_in("callbacks.monitor_callback_test")


RESTORING = {"patience": 99, "restore_best_weights": True}


class Stub:
    """A minimal model for both classes; its only weight is the epoch."""

    def __init__(self):
        self.stop_training, self.weight = False, None

    def get_weights(self):
        return self.weight

    def set_weights(self, weight):
        self.weight = weight


def replay(stopper, scores, name="val_loss", **others):
    """Pass a callback one of these scores per epoch, and return the final model."""
    model = Stub()
    stopper.set_model(model)
    stopper.on_train_begin()
    for epoch, score in enumerate(scores):
        model.weight = epoch
        logs = {name: score, **{n: values[epoch] for n, values in others.items()}}
        stopper.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    stopper.on_train_end()
    return model


def data(size=32):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(size, 3)).astype("float32")
    return x, (x[:, :1] > 0).astype("float32")


def make_model(optimizer="sgd", **settings):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dropout(0.3)]
    model = keras.Sequential([keras.Input((3,)), *hidden, layers.Dense(1, "sigmoid")])
    settings = {"loss": "binary_crossentropy", **settings}
    model.compile(optimizer, **settings)
    return model


def fit(model, *callbacks, epochs=6, **options):
    x, y = data()
    options = {"validation_data": data(), "batch_size": 8, "verbose": 0, **options}
    return model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **options)


def script(*values, name="score"):
    """Return a callback that adds one of these values to the logs per epoch."""

    class Script(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs[name] = values[epoch]

    return Script()


class Keep(keras.callbacks.Callback):
    """Keeps the weights and the other state of a model after each epoch."""

    def on_train_begin(self, logs=None):
        self.states = []

    def on_epoch_end(self, epoch, logs=None):
        self.states.append(state(self.model))


def state(model):
    metrics = {id(v) for v in model.metrics_variables}
    return [np.array(v.numpy()) for v in model.variables if id(v) not in metrics]


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
@pytest.mark.parametrize("case", cases(early_stopping_test))
def test_passes_the_tests_of_keras(case, monkeypatch):
    monkeypatch.setattr(early_stopping_test.callbacks, "EarlyStopping", EarlyStopping)
    run(case)


@pytest.mark.any_backend
@pytest.mark.parametrize("case", cases(monitor_callback_test))
def test_passes_the_tests_of_keras_of_what_it_extends(case, monkeypatch):
    def make(monitor="val_loss", mode="auto", **kwargs):
        return EarlyStopping(monitor, mode=mode, **kwargs)

    monkeypatch.setattr(monitor_callback_test.callbacks, "MonitorCallback", make)
    run(case)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_does_as_keras_does_with_any_finite_scores(mode):
    generator = np.random.default_rng(0)
    for _ in range(1500):
        # With few values, many are equal or differ by exactly `min_delta`.
        scores = (generator.integers(12, size=12) / 10).tolist()
        options = {
            "patience": int(generator.integers(5)),
            "min_delta": float(generator.choice([0, 0.1, 0.3])),
            # Versions of Keras differ where an improvement is worse than it.
            "baseline": generator.choice([None, 2.0 if mode == "min" else -1.0]),
            "start_from_epoch": int(generator.choice([0, 0, 1, 3, 14])),
            "restore_best_weights": bool(generator.integers(2)),
        }
        theirs = keras.callbacks.EarlyStopping(mode=mode, **options)
        ours = EarlyStopping(mode=mode, **options)
        one, two = replay(theirs, scores), replay(ours, scores)
        for name in ("stopped_epoch", "best", "best_epoch", "wait"):
            found, expected = getattr(ours, name), getattr(theirs, name)
            assert found == expected, (name, scores, options)
        assert one.weight == two.weight, (scores, options)
        assert one.stop_training == two.stop_training


@pytest.mark.parametrize("scores, epoch", [([9, 8, 7, 7], 3), ([9, 8, 4, 7, 7], 4)])
def test_patience_restarts_only_at_improvements_on_the_baseline(scores, epoch):
    stopper = EarlyStopping(baseline=5, patience=2)
    replay(stopper, [*scores, 1, 1])
    assert stopper._epoch == epoch
    assert stopper.stop_reason is StopReason.CRITERION


@pytest.mark.parametrize(
    "options, scores, epoch, reason",
    [
        # From the tests of Lightning.
        (
            {"stopping_threshold": 2.9, "patience": 3},
            [9, 8, 7, 6, 5, 6, 4, 3, 2, 1],
            8,
            StopReason.THRESHOLD,
        ),
        (
            {"divergence_threshold": 15.9, "patience": 3},
            [9, 4, 2, 16, 32, 64],
            3,
            StopReason.DIVERGED,
        ),
        ({"patience": 3}, [6, 5, 5, 5, 5, 5], 4, StopReason.CRITERION),
        # From the tests of ignite.
        (
            {"mode": "max", "patience": 2},
            [1.0, 0.8, 0.88, 2.0],
            2,
            StopReason.CRITERION,
        ),
        (
            {"mode": "max", "patience": 2, "min_delta": 0.1},
            [1.0, 2.0, 2.01, 3.0, 3.01, 3.02],
            5,
            StopReason.CRITERION,
        ),
        ({"patience": 9}, [3, math.nan, 1], 1, StopReason.NOT_FINITE),
        ({"patience": 9}, [3, 2, 1], 2, StopReason.END),
    ],
)
def test_stops_where_it_should_and_says_why(options, scores, epoch, reason):
    stopper = EarlyStopping(**options)
    replay(stopper, scores)
    assert (stopper._epoch, stopper.stop_reason) == (epoch, reason)
    if reason is StopReason.END:
        assert stopper.stop_message.startswith(f"Finished all {epoch + 1} epochs. ")
    else:
        assert stopper.stop_message.startswith(f"Stopped in epoch {epoch + 1}: ")
        assert reason.value in stopper.stop_message


def test_a_relative_delta_is_a_share_of_the_best():
    scores = [100.0, 91.0, 83.0]
    relative = EarlyStopping(min_delta=0.1, min_delta_mode="rel", patience=9)
    replay(relative, scores)
    # 91 is not 10 % better than 100, 83 is.
    assert relative.best_epoch == 2 and relative.best == 83.0
    absolute = EarlyStopping(min_delta=0.1, patience=9)
    replay(absolute, scores[:2])
    assert absolute.best_epoch == 1


@pytest.mark.parametrize("check_finite", [True, False])
@pytest.mark.parametrize("first", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_never_best(first, check_finite):
    stopper = EarlyStopping(
        patience=3, check_finite=check_finite, restore_best_weights=True
    )
    model = replay(stopper, [first, 5.0, math.nan, 4.0])
    if check_finite:
        assert stopper.best is None and stopper.stop_reason is StopReason.NOT_FINITE
    else:
        assert (stopper.best, stopper.best_epoch, model.weight) == (4.0, 3, 3)


def test_a_score_that_is_not_finite_counts_as_no_better_one():
    stopper = EarlyStopping(patience=2, check_finite=False)
    replay(stopper, [5.0, math.nan, math.inf, 4.0])
    assert stopper.stopped_epoch == 2


@pytest.mark.parametrize("combine, epoch", [("any", 2), ("all", 4)])
def test_several_monitors_are_combined_and_the_first_is_best(combine, epoch):
    loss, score = [3.0, 2.0, 1.0, 1.1, 1.2, 1.3], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    stopper = EarlyStopping(
        ["val_loss", "score"], mode=["min", "max"], patience=2, combine=combine
    )
    replay(stopper, loss, score=score)
    assert (stopper.stopped_epoch, stopper.best_epoch) == (epoch, 2)


def test_a_named_one_of_several_monitors_decides_what_is_best():
    both = {"monitor": ["a", "b"], "mode": "min", "combine": "all", "patience": 99}
    stopper = EarlyStopping(best_monitor="b", **both)
    replay(stopper, [1.0, 2.0, 3.0], name="a", b=[3.0, 1.0, 2.0])
    assert (stopper.best, stopper.best_epoch) == (1.0, 1)
    assert stopper.history == {
        "epoch": [0, 1, 2],
        "b": [3.0, 1.0, 2.0],
        "a": [1.0, 2.0, 3.0],
    }
    with pytest.raises(ValueError, match="`best_monitor` is unknown.*'a'.*Received"):
        EarlyStopping(best_monitor="c", **both)


def test_monitors_a_function_of_the_logs():
    def gap(logs):
        return logs["val_loss"] - logs["loss"]

    stopper = EarlyStopping(gap, mode="min", patience=1)
    replay(stopper, [3.0, 2.0, 2.0], loss=[1.0, 1.0, 0.5])
    assert (stopper.stopped_epoch, stopper.best) == (2, 1.0)
    assert "gap" in stopper.stop_message


@pytest.mark.parametrize("criterion", [Patience(1), GL(5), UP(1, strip=1)], ids=repr)
def test_stops_by_a_criterion_of_its_own(criterion):
    stopper = EarlyStopping(criterion=criterion)
    replay(stopper, [3.0, 2.0, 2.5])
    assert stopper.stopped_epoch == 2 and repr(criterion) in stopper.stop_message
    # Only `Patience` waits.
    assert stopper.wait == getattr(criterion, "n", 0)


def test_the_progress_quotient_takes_the_loss_of_training():
    stopper = EarlyStopping(criterion=PQ(0.05, strip=2))
    replay(stopper, [1.0, 1.0, 1.0, 1.25], loss=[3.0, 1.0, 1.5, 1.0])
    assert stopper.stopped_epoch == 3


def test_stops_when_the_time_is_up():
    stopper = EarlyStopping("loss", patience=99, max_seconds=0)
    assert len(fit(make_model(), stopper).epoch) == 1
    assert stopper.stop_reason is StopReason.TIME


def test_reports_that_another_callback_stopped_training():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    stopper = EarlyStopping("loss", patience=99)
    fit(make_model(), stopper, Stop())
    assert stopper.stop_reason is StopReason.OTHER


@pytest.mark.parametrize("restore_optimizer", [False, True])
def test_all_that_a_model_is_comes_back(restore_optimizer):
    optimizer = keras.optimizers.Adam(0.05)
    model, keep = make_model(optimizer), Keep()
    stopper = EarlyStopping(
        "score",
        mode="min",
        patience=2,
        restore_best_weights=True,
        restore_optimizer=restore_optimizer,
    )
    fit(model, script(3.0, 1.0, 2.0, 2.0, 2.0, 2.0), stopper, keep)
    assert stopper.best_epoch == 1 and len(keep.states) == 4
    same(state(model), keep.states[1])
    # Four steps per epoch; the best state is from after two epochs.
    steps = int(keras.ops.convert_to_numpy(optimizer.iterations))
    assert steps == (8 if restore_optimizer else 16)
    assert stopper.best_step == 8


@pytest.mark.parametrize("monitor_first", [True, False])
def test_the_optimizer_comes_back_beside_a_monitor(monitor_first):
    model = make_model(keras.optimizers.Adam(0.05))
    score = script(1.0, 2.0, 3.0)
    stopper = EarlyStopping(
        "score",
        mode="min",
        patience=2,
        restore_best_weights=True,
        restore_optimizer=True,
    )
    both = [GradientNormLogger(), stopper]
    fit(model, score, *(both if monitor_first else both[::-1]))
    assert stopper.best_epoch == 0 and stopper.stopped_epoch == 2
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 4
    fit(model, epochs=1)


def test_an_error_before_training_brings_nothing_back():
    model = make_model()
    stopper = EarlyStopping("loss", patience=9, restore_best_weights=True)
    with pytest.raises(RuntimeError):
        fit(model, stopper, Interrupt(RuntimeError))
    trained = state(model)
    with pytest.raises(ZeroDivisionError), stopper.guard(model):
        raise ZeroDivisionError
    assert stopper.stop_reason is None
    same(state(model), trained)


def test_the_restored_model_scores_best():
    model = make_model(keras.optimizers.Adam(0.2))
    stopper = EarlyStopping(patience=3, restore_best_weights=True)
    fit(model, stopper, epochs=20)
    found = model.evaluate(*data(), batch_size=8, verbose=0)
    np.testing.assert_allclose(found, stopper.best, rtol=1e-6)


@pytest.mark.parametrize("swap_on_epoch", [True, *once(False)])
@pytest.mark.parametrize("swaps_first", [True, *once(False)])
def test_the_restored_model_scores_best_with_averaged_weights(
    swap_on_epoch, swaps_first
):
    optimizer = keras.optimizers.Adam(0.2, use_ema=True, ema_momentum=0.8)
    model = make_model(optimizer)
    stopper = EarlyStopping(patience=2, restore_best_weights=True)
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch)
    callbacks = [swap, stopper] if swaps_first else [stopper, swap]
    fit(model, *callbacks, epochs=20)
    found = model.evaluate(*data(), batch_size=8, verbose=0)
    np.testing.assert_allclose(found, stopper.best, rtol=1e-6)


def test_training_goes_on_from_the_restored_state():
    model = make_model()
    stopper = EarlyStopping(
        "score",
        mode="min",
        restore_best_weights=True,
        restore_optimizer=True,
    )
    fit(model, script(1.0, 2.0), stopper, epochs=2)
    fit(model, epochs=1, shuffle=False)
    assert all(np.isfinite(value).all() for value in state(model))


class Interrupt(keras.callbacks.Callback):
    """Raises in the middle of the third epoch."""

    def __init__(self, error):
        super().__init__()
        self.error, self.epoch = error, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 2 and batch == 1:
            raise self.error("in the middle")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_brings_the_best_state_back(error):
    model, keep = make_model(), Keep()
    stopper = EarlyStopping("score", mode="min", restore_best_weights=True, patience=9)
    with pytest.raises(error), stopper.guard(model):
        fit(model, script(1.0, 2.0, 3.0), stopper, keep, Interrupt(error))
    same(state(model), keep.states[0])
    assert stopper.stop_reason is StopReason.INTERRUPTED
    fit(model, epochs=1)


def test_an_interruption_while_copying_leaves_the_best_state_before(monkeypatch):
    stopper, keep = EarlyStopping("score", mode="max", **RESTORING), Keep()

    def snapshot(variables, into=None):
        if into is not None and len(variables) > 1:
            # Only the first variable is copied.
            original(variables[:1], into[:1])
            raise KeyboardInterrupt
        return original(variables, into)

    original = _backends.snapshot
    # Not where the state before a step is copied.
    copies = types.SimpleNamespace(**{**vars(_backends), "snapshot": snapshot})
    monkeypatch.setattr("kcomponents.callbacks._best_state._backends", copies)
    if keras.backend.backend() == "tensorflow":
        # TensorFlow does not reuse memory otherwise.
        copies.can_overwrite = lambda values: True
    model = make_model()
    with pytest.raises(KeyboardInterrupt), stopper.guard(model):
        fit(model, script(1, 2, 3, 4), keep, stopper, epochs=4)
    assert (stopper.best, stopper.best_epoch) == (2, 1)
    same(state(model), keep.states[1])


def test_the_best_state_can_be_brought_back_later():
    model, keep = make_model(), Keep()
    stopper = EarlyStopping(
        "score", mode="min", restore_best_weights=True, patience=9, restore_on=()
    )
    fit(model, script(1.0, 2.0), stopper, keep, epochs=2)
    same(state(model), keep.states[1])
    stopper.restore()
    same(state(model), keep.states[0])
    other = make_model()
    stopper.restore(other)
    same(state(other), keep.states[0])


@pytest.mark.parametrize("end", ["stop", "end", "interrupt"])
def test_each_end_of_training_has_a_switch(end):
    scores = [1.0, 2.0, 3.0]
    stopper = EarlyStopping(restore_best_weights=True, patience=2, restore_on=end)
    assert replay(stopper, scores).weight == (0 if end == "stop" else 2)
    assert replay(stopper, scores[:2]).weight == (0 if end == "end" else 1)


def test_keeps_nothing_that_was_not_asked_for():
    stopper = EarlyStopping(patience=2)
    assert replay(stopper, [1.0, 2.0, 3.0]).weight == 2
    with pytest.raises(ValueError, match="must be a best state"):
        stopper.restore()


def test_one_instance_serves_many_fits():
    stopper = EarlyStopping(patience=2, restore_best_weights=True)
    replay(stopper, [0.1, 0.2, 0.3])
    model = replay(stopper, [5.0, 4.0, 4.5, 4.6, 3.0])
    assert (stopper.best, stopper.best_epoch, model.weight) == (4.0, 1, 1)


def test_waits_for_validation_that_is_not_done_each_epoch():
    stopper = EarlyStopping(patience=1, restore_best_weights=True)
    history = fit(make_model(), stopper, validation_freq=2, epochs=4)
    assert stopper.best == min(history.history["val_loss"])


@pytest.mark.parametrize(
    "monitor, metrics, mode",
    [
        ("val_acc", ["acc"], "max"),
        ("val_mse", ["mse"], "min"),
        ("auc", [keras.metrics.AUC(name="auc")], "max"),
        ("val_loss", [], "min"),
    ],
)
def test_knows_the_direction_before_training(monitor, metrics, mode):
    stopper = EarlyStopping(monitor)
    model = make_model(metrics=metrics)
    stopper.set_model(model)
    stopper.on_train_begin()
    ops = {"min": keras.ops.less, "max": keras.ops.greater}
    assert stopper.monitor_op is ops[mode]


@pytest.mark.parametrize(
    "monitor, mode", [("val_a_loss", "min"), ("val_b_acc", "max"), ("a_mse", "min")]
)
def test_knows_the_direction_of_parts(monitor, mode):
    inputs = keras.Input((3,))
    outputs = {"a": layers.Dense(1, name="a")(inputs)}
    outputs["b"] = layers.Dense(1, "sigmoid", name="b")(inputs)
    model = keras.Model(inputs, outputs)
    metrics = {"a": ["mse"], "b": ["acc"]}
    model.compile("sgd", {"a": "mse", "b": "mse"}, metrics=metrics)
    stopper = EarlyStopping(monitor, restore_best_weights=True)
    x, y = data()
    both = {"a": y, "b": y}
    model.fit(x, both, verbose=0, validation_data=(x, both), callbacks=[stopper])
    ops = {"min": keras.ops.less, "max": keras.ops.greater}
    assert stopper.monitor_op is ops[mode] and stopper.best is not None


@pytest.mark.parametrize(
    "monitor, options, message",
    [
        (
            "val_loss",
            {"validation_data": None},
            "must be in the logs. Available: 'loss'",
        ),
        ("val_lss", {}, "Can't infer whether lower or higher"),
        ("unknown_loss", {}, "Available: 'loss', 'val_loss'.*='unknown_loss'"),
    ],
)
def test_refuses_a_quantity_that_is_not_there(monitor, options, message):
    with pytest.raises(ValueError, match=message):
        fit(make_model(), EarlyStopping(monitor), **options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"monitor": []}, "`monitor` must be .* Received: monitor="),
        ({"monitor": 3}, "`monitor` must be"),
        ({"monitor": len}, "If `monitor` is a function, `mode` must be"),
        ({"mode": "mni"}, "`mode` is unknown. Did you mean one of 'min'"),
        ({"mode": ["min", "max"]}, "one for each monitor"),
        ({"patience": -1}, "`patience`"),
        ({"patience": 1.5}, "`patience`"),
        ({"min_delta": math.nan}, "`min_delta`"),
        ({"min_delta_mode": "relative"}, "`min_delta_mode` is unknown"),
        ({"criterion": 3}, "`criterion` must be"),
        ({"criterion": GL(5), "patience": 3}, "not both"),
        ({"criterion": GL(5), "baseline": 3}, "`baseline` works only with patience"),
        ({"combine": "most"}, "`combine` is unknown"),
        ({"stopping_threshold": "low"}, "`stopping_threshold`"),
        ({"max_seconds": -1}, "`max_seconds`"),
        ({"restore_optimizer": True}, "also needs `restore_best_weights=True`"),
        ({"restore_on": "exception"}, "`restore_on` is unknown"),
    ],
)
def test_refuses_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


def test_refuses_thresholds_that_contradict_each_other():
    stopper = EarlyStopping(stopping_threshold=3, divergence_threshold=2)
    with pytest.raises(ValueError, match="must be better than"):
        fit(make_model(), stopper)


def test_prints_only_if_asked(capsys):
    replay(EarlyStopping(), [1.0, 2.0])
    assert capsys.readouterr().out == ""
    stopper = EarlyStopping(verbose=1)
    replay(stopper, [1.0, 2.0])
    assert capsys.readouterr().out == stopper.stop_message + "\n"
    expected = "Stopped in epoch 2: no improvement in val_loss (Patience(0)). "
    assert stopper.stop_message == expected + "Best val_loss: 1 (epoch 1)."


@pytest.mark.parametrize(
    "options, scores, message",
    [
        (
            {"patience": 9, "restore_best_weights": True},
            [3, 2, 2.5],
            "Finished all 3 epochs. Restored the best weights (epoch 2, val_loss 2).",
        ),
        ({}, [2.3026], "Finished 1 epoch. Best val_loss: 2.303 (epoch 1)."),
        ({}, [], "Finished all epochs."),
        (
            {"stopping_threshold": 1},
            [0.5],
            "Stopped in epoch 1: val_loss passed the stopping threshold. "
            "Best val_loss: 0.5 (epoch 1).",
        ),
        ({}, [math.nan], "Stopped in epoch 1: the score is NaN or infinite."),
    ],
)
def test_the_message_counts_epochs_from_1(options, scores, message):
    stopper = EarlyStopping(**options)
    assert stopper.stop_message == "Training has not ended."
    replay(stopper, scores)
    assert stopper.stop_message == message


def test_keeps_the_promises_of_a_callback():
    check_callback(lambda: EarlyStopping("loss", patience=99))
    check_callback(
        lambda: EarlyStopping("loss", restore_best_weights=True), monitored=False
    )


def test_a_copy_works_by_itself():
    stopper = EarlyStopping("score", mode="min", restore_best_weights=True, patience=9)
    model, keep = make_model(), Keep()
    fit(model, script(2.0), stopper, keep, epochs=1)
    twin = copy.deepcopy(stopper)
    fit(make_model(), script(4.0, 3.0, 5.0), twin, epochs=3)
    assert (stopper.best, twin.best, twin.best_epoch) == (2.0, 3.0, 1)
    other = make_model()
    stopper.restore(other)
    same(state(other), keep.states[0])
