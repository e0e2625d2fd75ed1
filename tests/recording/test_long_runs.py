"""What a recorder leaves for later in a long run is the same as if done at once."""

import contextlib
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from kcomponents import _backends
from kcomponents._recording import data_facts, watch_plan
from kcomponents._recording.forward_pass import ForwardPass
from kcomponents._recording.watch_plan import WatchPlan
from kcomponents.callbacks import Resume, TrainingDoctor
from kcomponents.doctor import examine

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(32, 3)).astype("float32")
Y = RANDOM.integers(2, size=32)
layers = keras.layers
# Four steps in an epoch.
OPTIONS = {"batch_size": 8, "verbose": 0, "shuffle": False}


def compiled():
    keras.utils.set_random_seed(0)
    stack = [layers.Dense(4, "relu", name="first"), layers.Dense(2, name="last")]
    model = keras.Sequential([keras.Input((3,)), *stack], name="small")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


@pytest.fixture
def long_runs(monkeypatch):
    """Let the first watched step be number 9, in the third epoch, and each be due."""
    monkeypatch.setattr(watch_plan, "SHORT", 0.0)
    monkeypatch.setattr(watch_plan, "PERIOD", 1)
    monkeypatch.setattr(watch_plan, "WATCHING", 0.0)

    class Plan(WatchPlan):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._first, self._near = 9, -1

    monkeypatch.setattr(watch_plan, "WatchPlan", Plan)


def test_a_model_is_left_alone_until_the_epoch_of_the_first_watched_step(long_runs):
    model, doctor, attached = compiled(), TrainingDoctor(), []

    def note(epoch, logs):
        attached.append(doctor._recorder._watch.is_attached)

    noting = keras.callbacks.LambdaCallback(on_epoch_begin=note)
    model.fit(X, Y, epochs=4, callbacks=[doctor, noting], **OPTIONS)
    assert attached == [False, False, True, True]
    readings = doctor.record.readings
    assert [r.values["batches"]["all"] for r in readings[1:]] == [4, 4, 4, 4]
    watched = [r.values.get("steps", {}).get("all") for r in readings[1:]]
    assert watched == [None, None, 3, 4]
    assert "notes" not in doctor.record.structure
    plain = compiled()
    plain.fit(X, Y, epochs=4, **OPTIONS)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_readings_over_several_epochs_count_all_of_their_steps(long_runs):
    model, doctor = compiled(), TrainingDoctor(every=3)
    model.fit(X, Y, epochs=6, callbacks=[doctor], **OPTIONS)
    batches = [r.values["batches"]["all"] for r in doctor.record.readings[1:]]
    assert batches == [4, 12, 8]


class Stops(keras.callbacks.Callback):
    """Ends training with an exception before an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stopped_at", [1, 3])
def test_a_resumed_run_watches_the_steps_of_one_without_interruption(
    long_runs, tmp_path, stopped_at
):
    def fit(folder, *others):
        model, doctor = compiled(), TrainingDoctor()
        callbacks = [doctor, Resume(tmp_path / folder), *others]
        model.fit(X, Y, epochs=4, callbacks=callbacks, **OPTIONS)
        return doctor.record

    whole = fit("whole")
    with pytest.raises(KeyboardInterrupt):
        fit("parts", Stops(stopped_at))
    resumed = fit("parts")
    assert len(resumed.readings) == len(whole.readings) == 5
    for a, b in zip(resumed.readings, whole.readings, strict=True):
        assert a.values.get("batches") == b.values.get("batches")
        assert a.values.get("steps") == b.values.get("steps")


@contextlib.contextmanager
def busy_cores():
    """Keep the cores busy with other processes."""
    command = [sys.executable, "-c", "while True: pass"]
    count = min(os.cpu_count() or 2, 8)
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_busy_machine_changes_no_diagnosis(long_runs, monkeypatch):
    # The model is compiled beside the training, and so is the step to watch.
    monkeypatch.setattr(data_facts, "MANY_WEIGHTS", 0)
    init = watch_plan.WatchPlan.__init__

    def near(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self._near = 1

    monkeypatch.setattr(watch_plan.WatchPlan, "__init__", near)

    def fitted():
        model, doctor = compiled(), TrainingDoctor()
        model.fit(X, Y, epochs=4, callbacks=[doctor], **OPTIONS)
        return doctor

    quiet = fitted()
    with busy_cores():
        busy = fitted()
    assert str(busy.diagnosis) == str(quiet.diagnosis)
    for a, b in zip(busy.record.readings, quiet.record.readings, strict=True):
        keras.tree.assert_same_structure(a.values, b.values)
        numbers = [keras.tree.flatten(reading.values) for reading in (a, b)]
        np.testing.assert_allclose(*numbers, rtol=1e-5, atol=1e-7)


# A model that takes long to compile is run on the sample beside the training.

beside = pytest.mark.skipif(
    not _backends.carries_state, reason="this backend compiles no model to run it"
)


def record_of(data=(X, Y)):
    """Return the record of a fit, and whether the model ran beside it."""
    model, doctor, found = compiled(), TrainingDoctor(), []

    def note(epoch, logs):
        found.append(doctor._recorder._facts._runs_beside)

    noting = keras.callbacks.LambdaCallback(on_epoch_begin=note)
    options = OPTIONS if isinstance(data, tuple) else {"verbose": 0}
    x, y = data if isinstance(data, tuple) else (data, None)
    model.fit(x, y, epochs=2, callbacks=[doctor, noting], **options)
    return doctor.record, found


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        rows = slice(8 * index, 8 * index + 8)
        return X[rows], Y[rows]


@beside
@pytest.mark.parametrize("data", [(X, Y), Batches()], ids=["arrays", "batches"])
def test_the_record_is_the_same_as_of_a_model_that_is_run_at_once(monkeypatch, data):
    at_once, found = record_of(data=data)
    assert not any(found)
    monkeypatch.setattr(data_facts, "MANY_WEIGHTS", 0)
    later, found = record_of(data=data)
    # Batches are looked at before the first step, after the epoch began.
    assert found[1:] == [False] and (found[0] or data is not (X, Y))
    facts, expected = (record.structure["data"] for record in (later, at_once))
    assert list(facts["layers"]) == list(expected["layers"])
    for path, scale in expected["layers"].items():
        assert facts["layers"][path]["std"] == pytest.approx(scale["std"])
    [output], [of_once] = facts.pop("outputs"), expected.pop("outputs")
    assert output.keys() == of_once.keys()
    for name in ("lowest", "highest", "baseline_loss", "task"):
        assert output[name] == pytest.approx(of_once[name])
    assert later.structure["work"] == at_once.structure["work"]
    first, expected = later.readings[0], at_once.readings[0]
    assert first.step == 0 and first.values.keys() == expected.values.keys()
    for name in ("sample_loss", "sample_spread"):
        assert first.values[name] == pytest.approx(expected.values[name])
    assert examine(later).verdict == examine(at_once).verdict


@beside
def test_a_run_that_ends_at_once_has_the_outputs_of_its_model(monkeypatch):
    monkeypatch.setattr(data_facts, "MANY_WEIGHTS", 0)
    model, doctor = compiled(), TrainingDoctor()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, callbacks=[doctor, Stops(0)], **OPTIONS)
    [output] = doctor.record.structure["data"]["outputs"]
    assert output["lowest"] < output["highest"]
    assert [r.step for r in doctor.record.readings] == [0]


@beside
def test_contradictory_labels_are_found_before_the_first_step(monkeypatch, caplog):
    monkeypatch.setattr(data_facts, "MANY_WEIGHTS", 0)
    x, seen = np.repeat(X, 2, axis=0), []

    def note(batch, logs):
        seen.append(caplog.text)

    noting = keras.callbacks.LambdaCallback(on_train_batch_begin=note)
    y = np.tile([0, 5], 32)
    compiled().fit(x, y, callbacks=[TrainingDoctor(), noting], **OPTIONS)
    assert "5" in seen[0]


@beside
def test_an_error_beside_the_training_is_a_note(monkeypatch):
    monkeypatch.setattr(data_facts, "MANY_WEIGHTS", 0)

    def fails(self):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(ForwardPass, "finish", fails)
    record, _ = record_of()
    [note] = record.structure["notes"]
    assert "could not run the model on its data: out of memory" in note
    assert len(record.readings) == 2


def test_a_model_that_is_run_often_gives_the_same_as_one_that_is_run_once():
    model = compiled()
    once, often = ForwardPass(model), ForwardPass(model, often=True)
    for x in (X, X[:5]):
        expected, masks = once.run(x)
        outputs, others = often.run(x)
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
        assert masks == others
    for path, scale in once.layers.items():
        assert often.layers[path]["std"] == pytest.approx(scale["std"])
    model.layers[-1].bias.assign_add([1.0, 1.0])
    np.testing.assert_allclose(often.run(X[:5])[0], expected + 1.0, rtol=1e-5)


class Branches(keras.Model):
    """Decides in Python by the values of its inputs, so it can only run eagerly."""

    def __init__(self):
        super().__init__()
        self.last = layers.Dense(2)

    def call(self, inputs):
        if float(np.asarray(keras.ops.convert_to_numpy(inputs)).max()) > 100.0:
            return self.last(-inputs)
        return self.last(inputs)


@pytest.mark.skipif(_backends.carries_state, reason="JAX runs no such model")
def test_a_model_that_cannot_be_traced_is_run_eagerly_often_too():
    model = Branches()
    expected = keras.ops.convert_to_numpy(model(X))
    forward = ForwardPass(model, often=True)
    for _ in range(2):
        np.testing.assert_allclose(forward.run(X)[0], expected, rtol=1e-5)
    [scale] = forward.layers.values()
    assert scale["max"] == pytest.approx(X.max())
