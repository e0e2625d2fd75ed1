"""The files of `EarlyStopping`, and its checks within an epoch."""

import os
import resource

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents._state_file import read_state, write_state
from kcomponents.callbacks import (
    GL,
    PQ,
    UP,
    EarlyStopping,
    GradientNormLogger,
    Patience,
    Resume,
    StopReason,
)
from kcomponents.callbacks._stop_state import KIND as STOP_KIND
from kcomponents.testing import check_callback
from tests.backend_cases import once
from tests.callbacks.crashing import Stopped
from tests.callbacks.test_early_stopping import Keep, data, fit, make_model, same, state
from tests.keras_own import needs_several_steps


class CrashAt(keras.callbacks.Callback):
    """Ends training with an exception at the end of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Stopped


def test_the_best_state_can_be_on_disk(tmp_path):
    path, keep = tmp_path / "best.npz", Keep()
    stopper = EarlyStopping(patience=2, restore_best_weights=True, best_path=path)
    model = make_model(keras.optimizers.SGD(2.0))
    fit(model, keep, stopper, epochs=20)
    same(state(model), keep.states[stopper.best_epoch])
    assert not hasattr(stopper.best_weights, "values")
    # The file is kept after training, and can be restored in another model.
    other = make_model()
    stopper.restore(other)
    same(state(other), keep.states[stopper.best_epoch])


@pytest.mark.parametrize("restore_optimizer", [True, *once(False)])
def test_a_state_on_disk_is_that_on_the_device(tmp_path, restore_optimizer):
    found = []
    for path in (None, tmp_path / "best.npz"):
        options = {"restore_optimizer": restore_optimizer, "best_path": path}
        model = make_model("adam")
        stopper = EarlyStopping(restore_best_weights=True, patience=2, **options)
        fit(model, stopper, epochs=8)
        optimizer = [np.array(v.numpy()) for v in model.optimizer.variables]
        found.append([*state(model), *optimizer])
    same(*found)


@pytest.fixture
def limits():
    """Restore the limit of file sizes afterwards."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield before
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.any_backend
def test_a_full_disk_keeps_the_best_state_on_the_device(tmp_path, limits):
    stopper = EarlyStopping(
        "loss", restore_best_weights=True, best_path=tmp_path / "best.npz"
    )
    model, keep = make_model(), Keep()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    with pytest.warns(RuntimeWarning, match="kept on the device: .*File too large"):
        fit(model, keep, stopper, epochs=2)
    assert os.listdir(tmp_path) == []
    same(state(model), keep.states[stopper.best_epoch])


@pytest.mark.any_backend
def test_a_best_state_that_was_removed_is_told(tmp_path):
    path = tmp_path / "best.npz"
    stopper = EarlyStopping("loss", restore_best_weights=True, best_path=path)
    model = make_model()
    fit(model, stopper)
    for name in os.listdir(tmp_path):
        os.remove(tmp_path / name)
    with pytest.raises(ValueError, match="gone or overwritten.*Received: path="):
        stopper.restore(model)


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["best_path", "state_path"])
def test_a_foreign_file_is_refused_before_training_and_kept(tmp_path, name):
    path = tmp_path / "mine.npz"
    np.savez(path, mine=np.ones(3))
    before = path.read_bytes()
    stopper = EarlyStopping(restore_best_weights=True, **{name: path})
    model = make_model()
    weights = state(model)
    with pytest.raises(ValueError, match="damaged or of another kind.*Received: path="):
        fit(model, stopper)
    same(state(model), weights)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["mine.npz"]


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["best_path", "state_path"])
def test_a_place_that_takes_no_files_is_refused_before_training(tmp_path, name):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "state.npz"
    stopper = EarlyStopping(restore_best_weights=True, **{name: path})
    with pytest.raises(OSError, match="file"):
        fit(make_model(), stopper, CrashAt(0))


def make_plain():
    """Return a model whose whole state Keras's backup saves."""
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(8, "relu"), layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((3,)), *hidden, layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.SGD(3.0), "binary_crossentropy")
    return model


def train(folder, *others, epochs=12, stop_at=None, **options):
    """Train with a backup by Keras and the state of early stopping in a file."""
    options = {"patience": 3, "min_delta": 0.001, **options}
    stopper = EarlyStopping(
        restore_best_weights=True, state_path=folder / "stopper.npz", **options
    )
    backup = keras.callbacks.BackupAndRestore(folder / "backup")
    crash = [] if stop_at is None else [CrashAt(stop_at)]
    model = make_plain()
    callbacks = [*others, stopper, backup, *crash]
    fit(model, *callbacks, epochs=epochs, shuffle=False)
    return stopper, model


CRITERIA = [UP(2, strip=2), *once(Patience(3), GL(3), PQ(0.5, strip=2))]


@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
def test_goes_on_with_a_backup_by_keras(tmp_path, criterion):
    options = {"patience": 0, "criterion": criterion}
    whole, expected = train(tmp_path / "whole", **options)
    for epoch in (0, 1, 3):
        if epoch < max(whole.history["epoch"]):
            with pytest.raises(Stopped):
                train(tmp_path / "parts", stop_at=epoch, **options)
    resumed, model = train(tmp_path / "parts", **options)
    for name in ("stop_message", "best", "best_epoch", "best_step", "history"):
        assert getattr(resumed, name) == getattr(whole, name)
    same(state(model), state(expected))


@pytest.mark.any_backend
def test_the_file_tells_how_training_ended(tmp_path):
    stopper, _ = train(tmp_path)
    found = read_state(tmp_path / "stopper.npz", "the state of early stopping")
    assert found["stop_reason"] == "CRITERION" and found["ended"]
    assert found["best"] == stopper.best and found["history"] == stopper.history
    assert found["best_weights"]["values"]


class CrashAtEnd(keras.callbacks.Callback):
    """Ends a training that is over with an exception, before the backup is removed."""

    def on_train_end(self, logs=None):
        raise Stopped


@pytest.mark.any_backend
def test_what_had_to_stop_trains_no_more(tmp_path):
    whole, expected = train(tmp_path / "whole")
    with pytest.raises(Stopped):
        train(tmp_path / "parts", CrashAtEnd())
    resumed, model = train(tmp_path / "parts")
    assert resumed.stop_message == whole.stop_message
    same(state(model), state(expected))
    x, y = data()
    assert model.fit(x, y, epochs=2, verbose=0).epoch == [0, 1]


@pytest.mark.any_backend
def test_a_new_training_begins_anew(tmp_path):
    first, _ = train(tmp_path)
    second, _ = train(tmp_path)
    assert second.history == first.history


@pytest.mark.any_backend
def test_a_kill_before_the_first_backup_begins_anew(tmp_path):
    whole, _ = train(tmp_path / "whole")

    class Before(keras.callbacks.BackupAndRestore):
        def on_epoch_end(self, epoch, logs=None):
            raise Stopped

    stopper = EarlyStopping(state_path=tmp_path / "stopper.npz")
    with pytest.raises(Stopped):
        fit(make_model(), stopper, Before(tmp_path / "backup"))
    resumed, _ = train(tmp_path)
    assert resumed.history == whole.history


@pytest.mark.any_backend
def test_a_model_that_was_not_resumed_is_refused(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, stop_at=4)
    stopper = EarlyStopping(state_path=tmp_path / "stopper.npz")
    with pytest.raises(ValueError, match="too.*epochs_saved=5, first_epoch=1"):
        fit(make_model(), stopper)


@pytest.mark.any_backend
def test_epochs_that_it_missed_are_told(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, stop_at=1)
    stopper = EarlyStopping(state_path=tmp_path / "stopper.npz", patience=99)
    with pytest.warns(RuntimeWarning, match="epochs 3 to 4. List `EarlyStopping`"):
        fit(make_model(), stopper, initial_epoch=4)
    assert stopper.history["epoch"] == [0, 1, 4, 5]


@pytest.mark.any_backend
def test_a_damaged_file_is_put_aside_for_the_one_before(tmp_path):
    whole, expected = train(tmp_path / "whole")
    parts = tmp_path / "parts"
    with pytest.raises(Stopped):
        train(parts, stop_at=3)
    # The backup is one epoch behind: the process died before it was written.
    last = parts / "stopper.npz"
    last.write_bytes(last.read_bytes()[:-50])
    metadata = parts / "backup" / "training_metadata.json"
    assert '"epoch": 4' in metadata.read_text()
    with pytest.warns(RuntimeWarning) as told:
        resumed, _ = train(parts)
    assert "the previous state is used" in str(told[0].message)
    assert (parts / "stopper.npz.damaged").exists()
    assert resumed.history["epoch"][:3] == [0, 1, 2]


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "change, message",
    [
        ({"next_epoch": -5}, "`next_epoch` must be an integer of at least 0"),
        ({"wait": True}, "`wait` must be an integer of at least 0"),
        ({"scores": []}, "`monitor` must be the same"),
        ({"scores": [3]}, "must be one that this callback has saved"),
        ({"best_weights": {"values": [1]}}, "`best_weights` must be arrays"),
    ],
)
def test_a_state_made_by_hand_is_refused_before_training(tmp_path, change, message):
    path = tmp_path / "stopper.npz"
    fit(make_model(), EarlyStopping(patience=2, state_path=path), epochs=1)
    write_state(path, STOP_KIND, {**read_state(path, STOP_KIND), **change})
    (tmp_path / "stopper.npz.previous").unlink(missing_ok=True)
    content, model = path.read_bytes(), make_model()
    with pytest.raises(ValueError, match=message):
        stopper = EarlyStopping(patience=2, state_path=path)
        fit(model, stopper, epochs=3, initial_epoch=1)
    assert path.read_bytes() == content
    assert int(model.optimizer.iterations.numpy()) == 0


@pytest.mark.any_backend
def test_resume_needs_no_file_and_takes_precedence(tmp_path):
    def run(*crash):
        path = tmp_path / "stopper.npz"
        stopper = EarlyStopping(patience=3, state_path=path, restore_best_weights=True)
        callbacks = [stopper, Resume(tmp_path / "run"), *crash]
        fit(make_model(), *callbacks, epochs=12)
        return stopper

    with pytest.raises(Stopped):
        run(CrashAt(2))
    assert run().history["epoch"][:4] == [0, 1, 2, 3]


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "first, second, message",
    [
        ({"monitor": ["loss", "val_loss"]}, {"monitor": "loss"}, "`monitor` must be"),
        ({"best": True}, {}, "`best_path` must be the same"),
    ],
)
def test_a_state_of_other_arguments_is_refused(tmp_path, first, second, message):
    def run(monitor="loss", best=False, initial_epoch=0, stop_at=None):
        path = tmp_path / "best.npz" if best else None
        options = {"best_path": path, "restore_best_weights": True}
        stopper = EarlyStopping(monitor, state_path=tmp_path / "s.npz", **options)
        crash = [] if stop_at is None else [CrashAt(stop_at)]
        fit(make_model(), stopper, *crash, initial_epoch=initial_epoch)

    with pytest.raises(Stopped):
        run(**first, stop_at=0)
    with pytest.raises(ValueError, match=message):
        run(**second, initial_epoch=1)


class Logs(keras.callbacks.Callback):
    """Keeps the logs of each batch and each epoch."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(dict(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(dict(logs))


FORMS = ["sgd", "adam"]


@pytest.mark.parametrize("optimizer", FORMS)
def test_checks_within_an_epoch_leave_training_as_it_is(optimizer):
    found = []
    for checking in (False, True):
        logs, model = Logs(), make_model(optimizer, metrics=["accuracy"])
        stopper = EarlyStopping(patience=10**6, check_every=2)
        fit(model, logs, *([stopper] if checking else []), epochs=3)
        variables = [*model.variables, *model.optimizer.variables]
        found.append((logs.seen, [np.array(v.numpy()) for v in variables]))
    (plain_logs, plain), (logs, values) = found
    assert logs == plain_logs
    same(values, plain)


def test_checks_within_an_epoch_score_the_model_as_it_is_there():
    model, x = make_model(), data()
    stopper = EarlyStopping(patience=100, check_every=3)
    expected = []

    class Same(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if (4 * self.epoch + batch + 1) % 3 == 0:
                copy = keras.models.clone_model(model)
                copy.compile("sgd", "binary_crossentropy")
                copy.set_weights(model.get_weights())
                expected.append(copy.evaluate(*x, verbose=0))

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    if keras.backend.backend() == "jax":
        # Where a callback sees the weights of a step once Keras is asked to sync.
        before = Same.on_train_batch_end

        def after_sync(self, batch, logs=None):
            model.jax_state_sync()
            before(self, batch, logs)

        Same.on_train_batch_end = after_sync
    fit(model, Same(), stopper, epochs=3)
    assert stopper.history["epoch"] == [0, 1, 2, 2]
    assert stopper.history["step"] == [3, 6, 9, 12]
    np.testing.assert_allclose(stopper.history["val_loss"], expected, rtol=1e-6)


class StopAfterSteps(keras.callbacks.Callback):
    """Ends training within an epoch."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch + 1 == self.steps


def test_stops_within_an_epoch_and_brings_that_step_back():
    model = make_model(keras.optimizers.SGD(0.1))
    stopper = EarlyStopping(
        lambda logs: abs(stopper.history.get("step", [0])[-1] - 2.0),
        mode="min",
        patience=2,
        check_every=1,
        restore_best_weights=True,
        validation_data=data(),
    )
    history = fit(model, stopper, epochs=9, validation_data=None)
    assert stopper.stop_reason is StopReason.CRITERION
    assert stopper.best_step == 3 and stopper.history["step"] == [1, 2, 3, 4, 5]
    assert history.epoch == [0, 1] and stopper.stopped_epoch == 1
    assert stopper.best_epoch == 0
    three = make_model(keras.optimizers.SGD(0.1))
    fit(three, StopAfterSteps(3), epochs=1, validation_data=None)
    for a, b in zip(state(model), state(three), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_the_data_of_a_check_may_be_a_dataset_of_its_own():
    class Small(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return data(8)

    stopper = EarlyStopping(patience=99, check_every=4, validation_data=Small())
    fit(make_model(), stopper, epochs=2, validation_data=None)
    assert len(stopper.history["val_loss"]) == 2


def test_checks_within_an_epoch_and_a_monitor_get_along():
    monitor, alone = GradientNormLogger(), GradientNormLogger()
    fit(make_model(), monitor, EarlyStopping(patience=99, check_every=2), epochs=2)
    fit(make_model(), alone, epochs=2)
    for name in ("grad_norm", "grad_norm_max"):
        found = [log.model.history.history[name] for log in (monitor, alone)]
        np.testing.assert_allclose(*found, rtol=1e-5)


class BatchLosses(keras.callbacks.Callback):
    """Collects the loss that Keras logs after each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(float(logs["loss"]))


def test_the_training_loss_is_checked_without_validation_data():
    model, losses = make_model(), BatchLosses()
    stopper = EarlyStopping("loss", patience=99, check_every=2)
    history = fit(model, losses, stopper, epochs=2, validation_data=None).history
    assert list(history) == ["loss"]
    assert stopper.history["step"] == [2, 4, 6, 8]
    np.testing.assert_allclose(stopper.history["loss"], losses.seen[1::2], rtol=1e-6)


def test_a_training_metric_is_checked_without_a_validation_of_the_data_of_fit():
    model, calls = make_model(), []
    evaluate = model.evaluate

    def counting(*args, **kwargs):
        calls.append(1)
        return evaluate(*args, **kwargs)

    model.evaluate = counting
    stopper = EarlyStopping("loss", patience=99, check_every=1)
    fit(model, stopper, epochs=2)
    # Those of `fit`, after each epoch.
    assert len(calls) == 2 and len(stopper.history["loss"]) == 8


def test_a_threshold_of_the_training_loss_ends_training_within_an_epoch():
    stopper = EarlyStopping("loss", stopping_threshold=1e6, check_every=3)
    fit(make_model(), stopper, epochs=2, validation_data=None)
    assert stopper.stop_reason is StopReason.THRESHOLD
    assert stopper.history["step"] == [3]


@needs_several_steps
def test_a_check_comes_after_the_execution_in_which_it_is_due():
    model = make_model()
    model.compile("sgd", "binary_crossentropy", steps_per_execution=2)
    stopper = EarlyStopping("loss", patience=99, check_every=3)
    fit(model, stopper, epochs=2, validation_data=None)
    assert stopper.history["step"] == [4, 6]


def test_averaged_weights_do_not_stand_for_those_a_check_saw():
    model = make_model(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9))
    stopper = EarlyStopping(patience=99, check_every=2, restore_best_weights=True)
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    fit(model, swap, stopper, epochs=2)
    score = model.evaluate(*data(), verbose=0)
    assert score == pytest.approx(stopper.best, rel=1e-5)


def test_a_second_fit_counts_anew():
    model, stopper = make_model(), EarlyStopping(patience=99, check_every=3)
    for _ in range(2):
        fit(model, stopper, epochs=2)
        assert stopper.history["step"] == [3, 6]


def test_keeps_the_promises_of_a_callback_with_checks_and_files(tmp_path):
    def make():
        options = {"patience": 99, "check_every": 2, "restore_best_weights": False}
        return EarlyStopping(**options)

    check_callback(make)
    count = iter(range(9))
    check_callback(lambda: EarlyStopping(state_path=tmp_path / str(next(count))))


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "options, message",
    [
        ({"check_every": 0}, "`check_every` must be a positive integer"),
        ({"validation_data": data()}, "`validation_data` needs `check_every`"),
        ({"best_path": "a.npz"}, "also needs `restore_best_weights=True`"),
    ],
)
def test_refuses_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


def test_refuses_checks_without_data():
    with pytest.raises(
        ValueError, match="needs `validation_data` for this `monitor`.*=2"
    ):
        fit(make_model(), EarlyStopping(check_every=2), validation_data=None)


def test_refuses_data_that_can_be_gone_through_once():
    stopper = EarlyStopping(check_every=2, validation_data=iter([data(8)]))
    with pytest.raises(ValueError, match="be a generator. Received: validation_data="):
        fit(make_model(), stopper)


def test_subclassed_models_are_checked_within_an_epoch():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = layers.Dense(4), layers.Dense(1, "sigmoid")
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            self.calls.assign_add(1.0)
            return self.two(self.one(x))

    model = Net()
    model.compile("sgd", "binary_crossentropy")
    fit(model, EarlyStopping(patience=99, check_every=1), epochs=1)
    # Four steps, and four of the validation at the end of the epoch: no check counts.
    assert float(model.calls.numpy()) == 8
