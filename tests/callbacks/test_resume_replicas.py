"""`Resume` and `EarlyStopping` on two devices, in a process of its own."""

import functools
import json
import pathlib
import tempfile

import keras
import numpy as np
import pytest

from kcomponents.callbacks import EarlyStopping, Resume
from tests.callbacks.crashing import CrashAfter, Stopped
from tests.two_devices import answers_of, strategy_of_two

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(
    BACKEND == "torch", reason="Keras trains on one device a process with PyTorch"
)


@functools.cache
def answers():
    return answers_of(__file__)


@pytest.mark.parametrize("case", ["steps", "files"])
def test_a_training_on_two_devices_goes_on_as_if_nothing_had_happened(case):
    whole, after = answers()["whole"], answers()[case]
    assert whole["history"] == after["history"]
    assert whole["checks"] == after["checks"]
    for a, b in zip(whole["state"], after["state"], strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_devices_take_part():
    assert answers()["devices"] == 2


def fit(folder, case, *callbacks):
    """Train, resumed from a folder, and return all that came of it."""
    keras.utils.set_random_seed(0)
    hidden = [
        keras.layers.Dense(5, "relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
    ]
    model = keras.Sequential([keras.Input((3,)), *hidden, keras.layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    path = folder / "best.npz" if case == "files" else None
    stopper = EarlyStopping(
        patience=99, check_every=3, restore_best_weights=True, best_path=path
    )
    resume = Resume(folder / "run", 2 if case == "steps" else "epoch")
    history = model.fit(
        x,
        x[:, :1],
        batch_size=8,
        epochs=4,
        verbose=0,
        validation_data=(x, x[:, :1]),
        callbacks=[stopper, resume, *callbacks],
    )
    variables = [*model.variables, *model.optimizer.variables]
    return {
        "history": history.history,
        "checks": stopper.history,
        "state": [v.numpy().tolist() for v in variables],
    }


def resumed(case, crashes):
    """Train with crashes after these numbers of batches."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for batches in crashes:
            try:
                fit(folder, case, CrashAfter(batches))
            except Stopped:
                continue
            raise AssertionError("no crash")
        return fit(folder, case)


def trainings():
    with tempfile.TemporaryDirectory() as name:
        # Neither when it is saved nor where the best weights are changes a training.
        whole = fit(pathlib.Path(name), "files")
    return {
        "whole": whole,
        "steps": resumed("steps", [7, 6]),
        "files": resumed("files", [8]),
    }


def on_tensorflow():
    strategy = strategy_of_two()
    with strategy.scope():
        return {"devices": strategy.num_replicas_in_sync, **trainings()}


def on_jax():
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    return {"devices": len(keras.distribution.list_devices()), **trainings()}


if __name__ == "__main__":
    print(json.dumps({"tensorflow": on_tensorflow, "jax": on_jax}[BACKEND]()))
