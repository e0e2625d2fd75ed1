"""A monitor that fails steps aside: it is logged once, and training continues."""

import logging
import threading

import keras
import numpy as np
import pytest

from kcomponents import callbacks
from kcomponents._examination.observer import Observer
from kcomponents.callbacks._monitor import Monitor
from kcomponents.probes import Probe, Statistic

x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
OPTIONS = {"batch_size": 4, "epochs": 2, "verbose": 0}
OBSERVERS = [
    name for name in callbacks.__all__ if issubclass(getattr(callbacks, name), Observer)
]


def compiled(**options):
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.2, seed=1)]
    layers = [keras.Input((4,)), *hidden, keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse", **options)
    return model


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def plain():
    model = compiled()
    history = model.fit(x, x[:, :1], **OPTIONS)
    return state(model), history.history


def check_equal_to_plain(callback, records):
    model = compiled()
    history = model.fit(x, x[:, :1], callbacks=[callback], **OPTIONS)
    expected, losses = plain()
    found = state(model)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    np.testing.assert_allclose(history.history["loss"], losses["loss"], rtol=1e-5)
    assert [r for r in records if "has failed" in r.getMessage()] == records[:1]
    assert not {"train_step", "call"} & vars(model).keys()


class Failing(Monitor):
    """A monitor that fails at one place."""

    def __init__(self, place):
        super().__init__()
        self.place = place

    def _make_probe(self):
        return Probe(Statistic("total", "gradients", self.measure))

    def measure(self, view):
        # The first call finds the shape of the statistic.
        self.calls = getattr(self, "calls", 0) + 1
        if self.place == "step" and self.calls > 1 or self.place == "shape":
            raise RuntimeError("a bug of the monitor")
        return view.total

    def _log_epoch(self, epoch, reading, logs):
        if self.place == "epoch":
            raise RuntimeError("a bug of the monitor")

    def on_train_batch_end(self, batch, logs=None):
        if self.place == "batch" and batch == 2:
            raise RuntimeError("a bug of the monitor")
        super().on_train_batch_end(batch, logs)

    @property
    def report(self):
        return ""


@pytest.mark.parametrize("place", ["shape", "step", "batch", "epoch"])
def test_a_monitor_that_fails_is_logged_once_and_training_is_as_without(place, caplog):
    with caplog.at_level(logging.WARNING, logger="kcomponents"):
        check_equal_to_plain(Failing(place), caplog.records)
    assert "Failing has failed" in caplog.text
    assert "a bug of the monitor" in caplog.text


def test_a_monitor_that_fails_beside_a_step_is_detached_between_steps():
    # Keras may call a hook after a batch in another thread, while the next step runs.
    threads = []

    class Beside(Failing):
        def _stop_observing(self):
            threads.append(threading.current_thread())
            super()._stop_observing()

    compiled().fit(x, x[:, :1], callbacks=[Beside("batch")], **OPTIONS)
    assert threads == [threading.current_thread()]


def test_hooks_that_run_side_by_side_both_step_aside(caplog):
    # The hook of one thread is not taken for a part of a hook in another one.
    inside, leave = threading.Event(), threading.Event()

    class Slow(Failing):
        def on_train_batch_end(self, batch, logs=None):
            inside.set()
            leave.wait(30)

        def on_train_batch_begin(self, batch, logs=None):
            raise RuntimeError("a bug of the monitor")

    monitor = Slow("none")
    thread = threading.Thread(target=monitor.on_train_batch_end, args=(0,))
    thread.start()
    inside.wait(30)
    with caplog.at_level(logging.WARNING, logger="kcomponents"):
        monitor.on_train_batch_begin(1)
    leave.set()
    thread.join()
    assert "Slow has failed" in caplog.text


def test_a_doctor_that_fails_is_logged_once_and_training_is_as_without(
    caplog, monkeypatch
):
    def fail(self, epoch):
        raise RuntimeError("a bug of the doctor")

    recorder = "kcomponents._recording.recorder.Recorder.record_epoch"
    monkeypatch.setattr(recorder, fail)
    with caplog.at_level(logging.WARNING, logger="kcomponents"):
        check_equal_to_plain(callbacks.TrainingDoctor(), caplog.records)
    assert "a bug of the doctor" in caplog.text


def test_a_monitor_that_failed_observes_the_next_fit(caplog):
    monitor = callbacks.GradientNormLogger()
    original, calls = monitor._log_epoch, []

    def fail_once(*args):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a bug of the monitor")
        original(*args)

    monitor._log_epoch = fail_once
    model = compiled()
    first = model.fit(x, x[:, :1], callbacks=[monitor], **OPTIONS)
    second = model.fit(x, x[:, :1], callbacks=[monitor], **OPTIONS)
    assert "grad_norm" not in first.history
    assert np.isfinite(second.history["grad_norm"]).all()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", OBSERVERS)
def test_a_model_whose_layers_are_all_frozen_is_observed(name, caplog):
    model = compiled()
    for layer in model.layers:
        layer.trainable = False
    model.compile("adam", "mse")
    with caplog.at_level(logging.WARNING, logger="kcomponents"):
        try:
            model.fit(x, x[:, :1], callbacks=[getattr(callbacks, name)()], **OPTIONS)
        except ValueError as error:
            # Keras itself refuses a model without gradients on some backends.
            with pytest.raises(type(error)):
                model.fit(x, x[:, :1], **OPTIONS)
    assert "has failed" not in caplog.text


def test_a_wrong_argument_still_ends_fit_before_the_first_batch():
    monitor = callbacks.DeadReLUMonitor(layers="no such layer")
    with pytest.raises(ValueError, match="no such layer"):
        compiled().fit(x, x[:, :1], callbacks=[monitor], **OPTIONS)


def test_a_guard_still_raises_what_it_is_asked_to_raise():
    model = compiled()
    targets = np.full((16, 1), np.nan, "float32")
    guard = callbacks.FiniteGuard(action="raise")
    with pytest.raises(FloatingPointError):
        model.fit(x, targets, callbacks=[guard], **OPTIONS)
