"""`Resume`: a resumed epoch logs the same as an uninterrupted one, by all callbacks."""

import os

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents._examination.record_state import readings_of, state_of_readings
from kcomponents.callbacks import (
    DeadReLUMonitor,
    FiniteGuard,
    GradientNormLogger,
    Resume,
    SaturationMonitor,
    TrainingDoctor,
    UpdateRatioMonitor,
)
from kcomponents.record import Reading, Record
from tests.callbacks.crashing import CrashAfter, Stopped

DATA = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")


def fit(callbacks, x=DATA, epochs=3, loss="binary_crossentropy"):
    """Train a small model with fixed names; return its history."""
    keras.utils.set_random_seed(1)
    hidden = [
        layers.Dense(6, "relu", name="rectified"),
        layers.Dense(6, "tanh", name="squashed"),
        layers.Dropout(0.3, name="dropout"),
    ]
    last = layers.Dense(1, "sigmoid", name="last")
    model = keras.Sequential(
        [keras.Input((4,), name="inputs"), *hidden, last], name="small"
    )
    optimizer = keras.optimizers.Adam(0.05, clipnorm=0.3, name="adam")
    model.compile(optimizer, loss, metrics=["accuracy"])
    y = (DATA[:, :1] > 0).astype("float32")
    fitted = model.fit(
        *(x, y),
        batch_size=8,
        epochs=epochs,
        verbose=0,
        shuffle=False,
        callbacks=callbacks,
    )
    return fitted.history


def resumed(make, folder, crashes, **options):
    """Crash after so many batches, again and again; return history and callbacks."""
    for batches in crashes:
        callbacks = make(folder)
        with pytest.raises(Stopped):
            fit([*callbacks, Resume(folder, 2), CrashAfter(batches)], **options)
        for callback in callbacks:
            if isinstance(callback, keras.callbacks.CSVLogger):
                # A killed process has no open files.
                callback.csv_file.close()
    callbacks = make(folder)
    return fit([Resume(folder, 2), *callbacks], **options), callbacks


def both(make, tmp_path, crashes=(3, 6), **options):
    """Return history and callbacks of an uninterrupted and of a resumed run."""
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    callbacks = make(tmp_path / "whole")
    whole = fit(callbacks, **options), callbacks
    return whole, resumed(make, tmp_path / "parts", crashes, **options)


def monitors(folder):
    shared = {"record": Record(path=folder / "record.jsonl")}
    return [
        GradientNormLogger(per_variable=True, every=2, **shared),
        UpdateRatioMonitor(sample=3, **shared),
        DeadReLUMonitor(),
        SaturationMonitor(every=3),
        FiniteGuard(action="rollback"),
        TrainingDoctor(record_path=folder / "doctor.jsonl"),
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1),
        keras.callbacks.CSVLogger(folder / "log.csv"),
    ]


def test_a_resumed_epoch_logs_the_same_as_an_uninterrupted_one(tmp_path):
    (history, before), (found, after) = both(monitors, tmp_path)
    assert history["skipped_steps"] == [0, 0, 0] and len(history) > 15
    np.testing.assert_equal(found, history)
    for a, b in zip(before[:5], after[:5], strict=True):
        assert a.report == b.report
        np.testing.assert_equal(
            [r.to_dict() for r in b.readings], [r.to_dict() for r in a.readings]
        )
    assert before[0].suggest_clipnorm() == after[0].suggest_clipnorm()
    assert before[5].diagnosis == after[5].diagnosis
    # A file of a record is written anew when a run resumes, in the order of `save`.
    for name in ("record.jsonl", "doctor.jsonl"):
        a, b = (Record.load(tmp_path / part / name) for part in ("whole", "parts"))
        a, b = a.to_dict(), b.to_dict()
        np.testing.assert_equal(b, a)
    a, b = ((tmp_path / part / "log.csv").read_text() for part in ("whole", "parts"))
    assert a == b and len(a.splitlines()) == 4


@pytest.mark.parametrize("action", ["skip", "rollback"])
def test_the_findings_of_a_guard_are_resumed(tmp_path, action):
    x = DATA.copy()
    x[8, 0] = np.nan

    def guard(folder):
        return [FiniteGuard("gradients", action, every=2, max_rollbacks=9)]

    with pytest.warns(UserWarning, match="NaN or infinite"):
        (history, [a]), (found, [b]) = both(guard, tmp_path, (5, 5), x=x, loss="mse")
    np.testing.assert_equal(found, history)
    assert b.finding == a.finding and a.finding.step == 2
    assert (b.skipped, b.rollbacks, b.report) == (a.skipped, a.rollbacks, a.report)
    assert a.skipped or a.rollbacks


@pytest.mark.any_backend
def test_rows_of_other_runs_stay_in_a_file_that_is_appended_to(tmp_path):
    def logger(folder):
        return [keras.callbacks.CSVLogger(folder / "log.csv", append=True)]

    (tmp_path / "log.csv").write_bytes(b"epoch,loss\r\n0,7.0\r\n")
    crashes = (6, 2)
    resumed(logger, tmp_path, crashes, epochs=2)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[:2] == ["epoch,loss", "0,7.0"]
    assert [line.split(",")[0] for line in lines[2:]] == ["0", "1"]


def test_a_monitor_with_other_settings_is_refused_and_named(tmp_path):
    with pytest.raises(Stopped):
        fit([GradientNormLogger(), Resume(tmp_path, 2), CrashAfter(3)])
    files = {p: (tmp_path / p).read_bytes() for p in os.listdir(tmp_path)}
    other = GradientNormLogger(per_variable=True)
    with pytest.raises(ValueError, match="`GradientNormLogger-1`.*path="):
        fit([other, Resume(tmp_path, 2), CrashAfter(1)])
    assert files == {p: (tmp_path / p).read_bytes() for p in os.listdir(tmp_path)}


def test_a_backup_beside_it_is_refused(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(ValueError, match="`Resume` replaces `BackupAndRestore`"):
        fit([backup, Resume(tmp_path / "run"), CrashAfter(1)])


def test_readings_are_saved_in_few_arrays():
    values = {"norm": {"all": 1.5}, "units": {"a": [1.0, float("nan")]}}
    readings = [Reading(0, step, values) for step in range(5)]
    readings.append(Reading(1, 5, {"norm": {"all": [[1.0], [2.0, 3.0]]}}))
    state = state_of_readings(readings)
    assert len(state) == 2 and state[0]["values"]["units"]["a"].shape == (5, 2)
    np.testing.assert_equal(
        [r.to_dict() for r in readings_of(state)], [r.to_dict() for r in readings]
    )
