"""What the recorder cannot do is a note, or an error where it is asked for."""

import keras
import numpy as np
import pytest

from kcomponents._recording.recorder import Recorder
from kcomponents.record import Record

X, Y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")


class OnlyTrains(keras.Model):
    """Fails outside of training."""

    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(1)

    def call(self, inputs, training=False):
        if not training:
            raise RuntimeError("only for training")
        return self.last(inputs)


def recorded(**options):
    """Return the record of a training whose model cannot be run on its data."""
    model, record = OnlyTrains(), Record()
    model(X, training=True)
    model.compile("sgd", "mse")
    recorder = Recorder(model, record, **options)
    recorder.start({"x": X, "y": Y}, tapped=False)
    recorder.stop()
    return record


def test_a_model_that_cannot_be_run_is_a_note():
    record = recorded()
    [note] = record.structure["notes"]
    reason = "only for training (in OnlyTrains.call())"
    assert note == f"The doctor could not run the model on its data: {reason}"
    assert record.structure["model"]["class"] == "OnlyTrains"


def test_a_strict_recorder_raises_an_error_instead():
    rule = "`data` must be inputs and targets that fit the model: .*only for training"
    with pytest.raises(ValueError, match="(?s)" + rule):
        recorded(strict=True)


class Compares(keras.Model):
    """Has a loss of its own, needs no targets, and is built by its first batch."""

    def __init__(self):
        super().__init__()
        self.first, self.second = keras.layers.Dense(2), keras.layers.Dense(2)

    def call(self, inputs):
        return self.second(self.first(inputs))

    def compute_loss(self, x=None, y=None, y_pred=None, **others):
        return keras.ops.mean(keras.ops.square(y_pred - 1.0))


def test_a_model_that_is_not_built_and_needs_no_targets_is_measured():
    model, record = Compares(), Record()
    model.compile("sgd")
    recorder = Recorder(model, record)
    recorder.start({"x": np.ones((40, 3), "float32"), "y": None}, tapped=False)
    recorder.stop()
    assert "notes" not in record.structure
    assert record.structure["data"]["sampled"] == 40
