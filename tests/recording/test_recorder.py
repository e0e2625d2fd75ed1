"""What the recorder cannot do is a note, or an error where it is asked for."""

import keras
import numpy as np
import pytest

from kcomponents._recording.recorder import Recorder
from kcomponents._recording.step_watch import UNWATCHED
from kcomponents._recording.watch_plan import WatchPlan
from kcomponents._recording.work_budget import PASSES
from kcomponents.callbacks import TrainingDoctor
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


class Triplets(keras.Model):
    """Takes an anchor, a near and a far sample, which make up a batch."""

    def __init__(self):
        super().__init__()
        self.embed = keras.layers.Dense(2)
        self.embed.build((None, 3))

    def call(self, inputs):
        anchor, near, far = (self.embed(part) for part in inputs)
        near, far = (keras.ops.abs(anchor - other) for other in (near, far))
        return keras.ops.concatenate([near, far], axis=-1)

    def train_step(self, *arguments):
        """Do nothing; on JAX, the state comes before the batch."""
        *state, _ = arguments
        logs = {"loss": keras.ops.zeros(())}
        return (logs, *state) if state else logs


def data_of_batches(model, *parts):
    """Return the facts of data that come as batches of these parts."""
    dataset = BatchesOf(parts)
    model.compile("sgd", "mse")
    doctor = TrainingDoctor()
    model.fit(dataset, verbose=0, callbacks=[doctor])
    return doctor.record.structure


class BatchesOf(keras.utils.PyDataset):
    """Gives the same batch three times."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.batch


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="Keras itself calls the model with the first part on other backends.",
)
def test_all_of_a_batch_may_be_inputs():
    parts = [np.full((8, 3), number, "float32") for number in (1, 2, 3)]
    model = Triplets()
    model(parts)
    found = data_of_batches(model, *parts)["data"]
    assert [facts["max"] for facts in found["inputs"]] == [1.0, 2.0, 3.0]
    assert found["outputs"][0]["shape"] == [4] and found["sampled"] == 24


def watched(monkeypatch, due):
    """Return the record of 8 steps of which those are watched that are due."""
    monkeypatch.setattr(WatchPlan, "is_due", due)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    doctor = TrainingDoctor()
    model.fit(X, Y, batch_size=1, epochs=2, verbose=0, callbacks=[doctor])
    return doctor.record


def test_a_run_of_which_no_step_was_watched_says_so(monkeypatch):
    record = watched(monkeypatch, lambda self: False)
    assert UNWATCHED in record.structure["notes"]
    assert all("gradient_norm" not in r.values for r in record.readings)


@pytest.mark.parametrize("share", [0, 2])
def test_all_steps_count_as_training_however_few_are_watched(monkeypatch, share):
    def due(self):
        return bool(share) and self.get_state() % share == 0

    record = watched(monkeypatch, due)
    assert [r.values["batches"]["all"] for r in record.readings[1:]] == [4, 4]
    work = record.structure["work"]
    # The three inputs, and the four weights of the layer.
    assert work["trained"] == 8 * (3 + PASSES * 2 * 4)
    if share:
        assert [r.values["steps"]["all"] for r in record.readings[1:]] == [2, 2]
        assert "notes" not in record.structure
