"""`Resume`: an interrupted run continues as if it had not been interrupted."""

import functools
import importlib
import os
import resource
import time

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.callbacks import EarlyStopping, GradientNormLogger, Resume, StopReason
from kcomponents.testing import check_callback
from tests.backend_cases import once
from tests.callbacks.crashing import CrashAfter, Stopped
from tests.keras_own import cases, needs_several_steps, run, theirs_in

BACKEND = keras.backend.backend()
backup_test = theirs_in("callbacks.backup_and_restore_test")


def data(size=40):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(size, 4)).astype("float32")
    return x, (x[:, :1] > 0).astype("float32")


def make_model(optimizer=None, **settings):
    keras.utils.set_random_seed(1)
    optimizer = optimizer or keras.optimizers.SGD(0.1, momentum=0.9)
    hidden = [layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dropout(0.3)]
    model = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(1, "sigmoid")])
    settings = {"loss": "binary_crossentropy", "metrics": ["accuracy"], **settings}
    model.compile(optimizer, **settings)
    return model


def arrays():
    x, y = data()
    return {"x": x, "y": y, "batch_size": 8}


def fit(*callbacks, make=make_model, feed=arrays, epochs=4, **options):
    model = make()
    options = {"validation_data": data(), "verbose": 0, **feed(), **options}
    history = model.fit(epochs=epochs, callbacks=list(callbacks), **options)
    return model, history


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    metrics = {id(v) for v in model.metrics_variables}
    return [np.array(v.numpy()) for v in variables if id(v) not in metrics]


@functools.cache
def uninterrupted(others=list, **options):
    """Return model and history of a training, which each test would repeat."""
    return fit(*others(), **options)


def check_resumes(folder, save_freq, crashes=(3, 7), others=list, **options):
    """Crash several times, and compare the result with an uninterrupted run."""
    plain, history = uninterrupted(others, **options)
    for batches in crashes:
        with pytest.raises(Stopped):
            fit(CrashAfter(batches), *others(), Resume(folder, save_freq), **options)
    found, resumed = fit(Resume(folder, save_freq), *others(), **options)
    assert resumed.epoch == history.epoch
    assert resumed.history == history.history
    for a, b in zip(state(found), state(plain), strict=True):
        np.testing.assert_array_equal(a, b)
    return found, plain


@pytest.mark.parametrize("save_freq", ["epoch", 2, *once(1)])
def test_goes_on_as_if_nothing_had_happened(tmp_path, save_freq):
    check_resumes(tmp_path, save_freq, (3, 7, 4))


def batches():
    x, y = data()
    order = np.random.default_rng(3)
    while True:
        chosen = order.integers(0, len(x), 8)
        yield x[chosen], y[chosen]


def generator():
    return {"x": batches(), "steps_per_epoch": 5, "shuffle": False}


class Shuffled(keras.utils.PyDataset):
    """Shuffles its data after each epoch, with its own generator."""

    def __init__(self):
        super().__init__()
        self.x, self.y = data()
        self.order = np.random.default_rng(3)
        self.on_epoch_end()

    def __len__(self):
        return 5

    def __getitem__(self, index):
        chosen = self.places[8 * index : 8 * index + 8]
        return self.x[chosen], self.y[chosen]

    def on_epoch_end(self):
        self.places = self.order.permutation(len(self.x))


def py_dataset():
    return {"x": Shuffled()}


def tf_dataset():
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not there")
    dataset = tensorflow.data.Dataset.from_tensor_slices(data())
    return {"x": dataset.shuffle(40, seed=5).batch(8), "shuffle": False}


def unknown_length():
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not there")
    dataset = tensorflow.data.Dataset.from_tensor_slices(data())
    dataset = dataset.shuffle(40, seed=5).batch(8)
    # After a filter, Keras does not know the length before the end of an epoch.
    return {"x": dataset.filter(lambda *_: True), "shuffle": False}


def data_loader():
    torch = pytest.importorskip("torch", reason="PyTorch is not there")
    tensors = [torch.from_numpy(part) for part in data()]
    dataset = torch.utils.data.TensorDataset(*tensors)
    order = torch.Generator().manual_seed(5)
    options = {"batch_size": 8, "shuffle": True, "generator": order}
    loader = torch.utils.data.DataLoader(dataset, **options)
    return {"x": loader, "shuffle": False}


FEEDS = [
    (2, generator),
    (2, py_dataset),
    (2, tf_dataset),
    (2, data_loader),
    ("epoch", tf_dataset),
    *once(("epoch", generator), ("epoch", py_dataset), ("epoch", data_loader)),
]


@pytest.mark.parametrize(("save_freq", "feed"), FEEDS)
def test_the_data_goes_on_where_it_was(tmp_path, save_freq, feed):
    check_resumes(tmp_path, save_freq, (7,), feed=feed, validation_data=None)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("save_freq", ["epoch", 1, 2])
def test_data_of_unknown_length_is_resumed_too(tmp_path, save_freq):
    options = {"feed": unknown_length, "validation_data": None}
    check_resumes(tmp_path, save_freq, (6,), **options)


def accumulating():
    return make_model(keras.optimizers.Adam(gradient_accumulation_steps=3))


def averaging():
    return make_model(keras.optimizers.Adam(use_ema=True, ema_momentum=0.5))


def scaling():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
        return make_model(optimizer)
    finally:
        keras.config.set_dtype_policy("float32")


def scheduled():
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.9)
    return make_model(keras.optimizers.SGD(rate, momentum=0.9))


class Twofold(keras.Model):
    """Nested, with a shared layer, an own variable and a second optimizer."""

    def __init__(self):
        super().__init__()
        self.shared = layers.Dense(4, "relu")
        self.inner = keras.Sequential([layers.Dense(4), layers.Dropout(0.2)])
        self.last = layers.Dense(1, "sigmoid")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.second = keras.optimizers.SGD(0.1, momentum=0.9)

    def call(self, x, training=None):
        if training:
            self.calls.assign_add(1.0)
        return self.last(self.inner(self.shared(self.shared(x)), training=training))


def subclassed():
    keras.utils.set_random_seed(1)
    model = Twofold()
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model(np.zeros((1, 4), "float32"))
    model.second.build(model.trainable_variables)
    return model


KINDS = [accumulating, averaging, scaling, scheduled, subclassed]


@pytest.mark.parametrize("make", KINDS)
def test_all_that_a_training_is_made_of_comes_back(tmp_path, make):
    check_resumes(tmp_path, 2, (7,), make=make, validation_data=None)


@needs_several_steps
@pytest.mark.parametrize("save_freq", ["epoch", 3])
def test_steps_that_run_together_are_resumed(tmp_path, save_freq):
    def together():
        return make_model(steps_per_execution=2)

    check_resumes(tmp_path, save_freq, (2, 3), make=together, feed=generator_of_six)


def generator_of_six():
    return {"x": batches(), "steps_per_epoch": 6, "shuffle": False}


def others_of_keras():
    return [
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1),
        keras.callbacks.EarlyStopping("loss", patience=3, min_delta=1),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
    ]


@pytest.mark.parametrize("save_freq", [2, *once("epoch")])
def test_callbacks_of_keras_go_on_too(tmp_path, save_freq):
    options = {"others": others_of_keras, "epochs": 8}
    check_resumes(tmp_path, save_freq, (7,), **options)


@pytest.mark.any_backend
def test_early_stopping_goes_on_too(tmp_path):
    stoppers = []

    def others():
        stoppers.append(
            EarlyStopping(patience=2, min_delta=0.01, restore_best_weights=True)
        )
        return [stoppers[-1]]

    check_resumes(tmp_path, 2, (3, 4, 4), others=others, epochs=30)
    whole, *_, resumed = stoppers
    assert whole.stop_reason is StopReason.CRITERION
    for name in ("stop_message", "best", "best_epoch", "best_step", "history"):
        assert getattr(resumed, name) == getattr(whole, name)
    assert resumed.stop_reason is whole.stop_reason


def test_checks_within_an_epoch_go_on_too(tmp_path):
    stoppers = []

    def others():
        stoppers.append(
            EarlyStopping(patience=9, check_every=3, restore_best_weights=True)
        )
        return [stoppers[-1]]

    check_resumes(tmp_path, 2, others=others)
    whole, *_, resumed = stoppers
    assert whole.history == resumed.history and len(whole.history["step"]) == 6


@pytest.mark.any_backend
def test_the_time_that_went_by_counts_once(tmp_path):
    def others():
        return [EarlyStopping(patience=99, max_seconds=1e6)]

    class Clock(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.seconds = stopper.get_state()["seconds"]

    with pytest.raises(Stopped):
        [first] = others()
        fit(first, CrashAfter(8), Resume(tmp_path, 1))
    stored = next(Resume(tmp_path, 1)._files.read())
    before = stored["callbacks"]["EarlyStopping-1"]["seconds"]
    [stopper], clock = others(), Clock()
    begin = time.monotonic()
    fit(stopper, clock, Resume(tmp_path, 1))
    assert before < clock.seconds < before + time.monotonic() - begin


def test_averaged_weights_go_on_too(tmp_path):
    def others():
        return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]

    check_resumes(tmp_path, "epoch", others=others, make=averaging)


@pytest.mark.any_backend
def test_a_monitor_beside_it_is_no_part_of_the_state(tmp_path):
    plain, _ = uninterrupted()
    with pytest.raises(Stopped):
        fit(CrashAfter(7), GradientNormLogger(every=2), Resume(tmp_path, 2))
    model, _ = fit(GradientNormLogger(every=2), Resume(tmp_path, 2))
    for a, b in zip(state(model), state(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.any_backend
def test_where_it_stands_in_the_list_does_not_matter(tmp_path):
    with pytest.raises(Stopped):
        fit(Resume(tmp_path), EarlyStopping(patience=5), CrashAfter(12))
    stopper = EarlyStopping(patience=5)
    fit(stopper, Resume(tmp_path))
    assert stopper.history["epoch"] == [0, 1, 2, 3]


def test_training_is_what_it_is_without(tmp_path):
    count = iter(range(100))
    check_callback(lambda: Resume(tmp_path / str(next(count)), 2))


@pytest.mark.any_backend
def test_a_training_that_ended_is_not_repeated(tmp_path, caplog):
    stopper = EarlyStopping("loss", stopping_threshold=1e9, restore_best_weights=True)
    first, history = fit(stopper, Resume(tmp_path))
    again = EarlyStopping("loss", stopping_threshold=1e9, restore_best_weights=True)
    model, resumed = fit(again, Resume(tmp_path), epochs=20)
    assert resumed.epoch == [0] and resumed.history == history.history
    assert again.stop_message == stopper.stop_message
    assert "To train again, delete" in caplog.text and str(tmp_path) in caplog.text
    for a, b in zip(state(model), state(first), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
def test_what_ends_a_training_is_done_once(tmp_path):
    # At the end of training, Keras replaces the weights by their averages.
    plain, _ = uninterrupted(make=averaging)
    for _ in range(2):
        model, _ = fit(Resume(tmp_path), make=averaging)
        for a, b in zip(state(model), state(plain), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
def test_more_epochs_go_on_from_the_end(tmp_path):
    longer, history = fit(epochs=6)
    fit(Resume(tmp_path), epochs=4)
    model, resumed = fit(Resume(tmp_path), epochs=6)
    assert resumed.history == history.history
    for a, b in zip(state(model), state(longer), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
def test_the_next_fit_starts_at_its_own_first_epoch(tmp_path):
    with pytest.raises(Stopped):
        fit(CrashAfter(12), Resume(tmp_path))
    model, _ = fit(Resume(tmp_path))
    x, y = data()
    assert model.fit(x, y, epochs=3, verbose=0).epoch == [0, 1, 2]
    with pytest.raises(Stopped):
        fit(CrashAfter(1), Resume(tmp_path / "b"))


class Failing(keras.callbacks.Callback):
    """Fails before training starts."""

    def on_train_begin(self, logs=None):
        raise Stopped


def test_an_error_before_training_leaves_the_model_unset(tmp_path):
    fit(Resume(tmp_path), epochs=2)
    model, (x, y) = make_model(), data()
    with pytest.raises(Stopped):
        callbacks, options = [Resume(tmp_path), Failing()], {"batch_size": 8}
        options["validation_data"] = data()
        model.fit(x, y, epochs=4, verbose=0, callbacks=callbacks, **options)
    assert model.fit(x, y, epochs=2, verbose=0).epoch == [0, 1]


@pytest.mark.any_backend
def test_a_first_epoch_other_than_0_is_resumed(tmp_path):
    plain, history = fit(initial_epoch=2, epochs=5)
    with pytest.raises(Stopped):
        fit(CrashAfter(7), Resume(tmp_path), initial_epoch=2, epochs=5)
    model, resumed = fit(Resume(tmp_path), initial_epoch=2, epochs=5)
    assert resumed.epoch == [2, 3, 4] and resumed.history == history.history
    for a, b in zip(state(model), state(plain), strict=True):
        np.testing.assert_array_equal(a, b)


def test_data_need_not_be_drawn_again(tmp_path):
    counts = [0]

    def feed():
        drawn = len(counts) - 1

        def counted():
            for batch in batches():
                counts[drawn] += 1
                yield batch

        return {"x": counted(), "steps_per_epoch": 20, "shuffle": False}

    for replay_data in (True, False):
        fit(Resume(tmp_path), feed=feed, epochs=3)
        counts.append(0)
        fit(Resume(tmp_path, replay_data=replay_data), feed=feed, epochs=4)
        for path in os.listdir(tmp_path):
            os.remove(tmp_path / path)
    # Keras prefetches batches; how many depends on threads.
    _, again, without = counts
    assert again >= 80 and 20 <= without < 60


@pytest.mark.skipif(
    BACKEND == "tensorflow", reason="There, arrays are shuffled by a dataset"
)
@pytest.mark.parametrize("save_freq", ["epoch", 2])
def test_arrays_need_not_be_drawn_again(tmp_path, save_freq):
    plain, history = uninterrupted()
    with pytest.raises(Stopped):
        fit(CrashAfter(13), Resume(tmp_path, save_freq, replay_data=False))
    model, resumed = fit(Resume(tmp_path, save_freq, replay_data=False))
    assert resumed.history == history.history
    for a, b in zip(state(model), state(plain), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def order_of_epochs(monkeypatch):
    """Let Keras shuffle arrays by the number of the epoch, as some versions do."""
    adapter = importlib.import_module(
        "keras.src.trainers.data_adapters.array_data_adapter"
    ).ArrayDataAdapter

    def end(self):
        self._epoch += 1

    def batches(self):
        for rows in np.random.default_rng(self._epoch).permutation(40).reshape(5, 8):
            yield tuple(
                keras.ops.convert_to_tensor(part[rows]) for part in self._inputs
            )

    class Loader:
        def __init__(self, adapter):
            self.adapter = adapter

        def __iter__(self):
            return batches(self.adapter)

    monkeypatch.setattr(adapter, "_epoch", 0, raising=False)
    monkeypatch.setattr(adapter, "on_epoch_end", end)
    monkeypatch.setattr(adapter, "get_jax_iterator", batches)
    monkeypatch.setattr(adapter, "get_torch_dataloader", lambda self: Loader(self))


@pytest.mark.skipif(
    BACKEND == "tensorflow", reason="There, arrays are shuffled by a dataset"
)
@pytest.mark.parametrize("save_freq", ["epoch", 2])
def test_arrays_need_not_be_drawn_again_if_the_epoch_decides_their_order(
    tmp_path, save_freq, order_of_epochs
):
    plain, history = fit(validation_data=None)
    with pytest.raises(Stopped):
        fit(
            CrashAfter(13),
            Resume(tmp_path, save_freq, replay_data=False),
            validation_data=None,
        )
    again = Resume(tmp_path, save_freq, replay_data=False)
    model, resumed = fit(again, validation_data=None)
    assert resumed.history == history.history
    for a, b in zip(state(model), state(plain), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
def test_the_state_can_be_removed_at_the_end(tmp_path):
    fit(Resume(tmp_path / "run", delete_checkpoint=True))
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("")
    fit(Resume(tmp_path / "run", delete_checkpoint=True))
    assert os.listdir(tmp_path / "run") == ["mine"]


@pytest.mark.skipif(
    BACKEND != "tensorflow",
    reason="On JAX and PyTorch, Keras builds a model before callbacks are called",
)
def test_an_unbuilt_model_is_refused(tmp_path):
    model = keras.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must be built.*Received: model="):
        model.fit(*data(), verbose=0, callbacks=[Resume(tmp_path)])


def test_refuses_the_state_of_another_model(tmp_path):
    fit(Resume(tmp_path))
    other = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    other.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    before = [v.numpy() for v in other.variables]
    files = {p: (tmp_path / p).read_bytes() for p in os.listdir(tmp_path)}
    with pytest.raises(ValueError, match="same variables.*Received: difference="):
        other.fit(*data(), verbose=0, callbacks=[Resume(tmp_path)])
    for a, b in zip(before, other.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    assert files == {p: (tmp_path / p).read_bytes() for p in os.listdir(tmp_path)}


@pytest.mark.any_backend
def test_a_damaged_file_is_kept_and_the_one_before_it_used(tmp_path):
    plain, history = uninterrupted()
    with pytest.raises(Stopped):
        fit(CrashAfter(17), Resume(tmp_path))
    last = tmp_path / "state.npz"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.warns(RuntimeWarning, match="the previous state is used"):
        model, resumed = fit(Resume(tmp_path))
    assert resumed.history == history.history
    assert (tmp_path / "state.npz.damaged").exists()
    for a, b in zip(state(model), state(plain), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
def test_a_foreign_file_is_refused_before_training(tmp_path):
    (tmp_path / "state.npz").write_text("mine")
    with pytest.raises(ValueError, match="damaged or of another kind.*Received: path="):
        fit(CrashAfter(1), Resume(tmp_path))
    assert (tmp_path / "state.npz").read_text() == "mine"


@pytest.mark.any_backend
def test_a_folder_that_cannot_be_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        fit(CrashAfter(1), Resume(tmp_path / "file" / "run"))


class FullDisk(keras.callbacks.Callback):
    """Limits the size of files from the third epoch on."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))


@pytest.mark.any_backend
def test_a_full_disk_keeps_the_last_state_and_training_goes_on(tmp_path):
    plain, history = uninterrupted()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.warns(RuntimeWarning, match="Could not write.*is kept"):
            model, _ = fit(Resume(tmp_path), FullDisk())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(os.listdir(tmp_path)) == ["state.npz", "state.npz.previous"]
    # A run that resumes from the kept state has the same result.
    for found in (model, fit(Resume(tmp_path))[0]):
        for a, b in zip(state(found), state(plain), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"backup_dir": ""},
            "path of a folder.*Received: backup_dir=",
        ),
        ({"backup_dir": None}, "`backup_dir` must be the path of a folder"),
        (
            {"save_freq": "batch"},
            "`save_freq` must be 'epoch' or.*Received: save_freq=",
        ),
        ({"save_freq": 0.15}, "`save_freq` must be"),
        ({"save_freq": 0}, "`save_freq` must be"),
        ({"save_freq": True}, "`save_freq` must be"),
    ],
)
def test_refuses_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Resume(**{"backup_dir": "run", **options})


class InKerasTests(Resume):
    """Has the attributes that Keras's tests read."""

    def __init__(self, backup_dir, save_freq="epoch", double_checkpoint=False):
        try:
            super().__init__(backup_dir, save_freq, delete_checkpoint=True)
        except ValueError as error:
            words = "Empty `backup_dir` argument passed", "Invalid value"
            raise ValueError(words[bool(backup_dir)]) from error
        self._current_epoch, self._last_batch_seen = 0, 0
        self._weights_path = self._training_metadata_path = self._files.paths[0]
        self._prev_weights_path = self._prev_training_metadata_path = self._files.paths[
            1
        ]

    def _current_state(self):
        self._current_epoch, self._last_batch_seen = self._epoch, self._step - 1
        return super()._current_state()


class Interrupting(keras.callbacks.Callback):
    """Interrupts like the callback of Keras's tests, but after all other callbacks."""

    def __init__(self, steps_int, epoch_int):
        super().__init__()
        self.steps_left, self.epochs_left = steps_int or -1, epoch_int or -1

    def on_train_batch_begin(self, batch, logs=None):
        self.steps_left -= 1
        if self.steps_left == -1:
            raise RuntimeError("StepsInterruption")

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs_left -= 1
        if self.epochs_left == -1:
            raise RuntimeError("EpochInterruption")


@pytest.mark.filterwarnings("ignore:.*is damaged or of another kind")
@pytest.mark.parametrize(
    "case",
    cases(
        backup_test,
        "BackupAndRestoreCallbackTest",
        best_case_step="Keras repeats steps whose updates its weights already contain",
    ),
)
def test_passes_the_tests_of_keras(case, monkeypatch):
    monkeypatch.setattr(backup_test.callbacks, "BackupAndRestore", InKerasTests)
    monkeypatch.setattr(backup_test, "InterruptingCallback", Interrupting)
    run(case)
