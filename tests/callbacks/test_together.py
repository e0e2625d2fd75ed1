"""All monitors at once: training stays as it is, and a record outlives the process."""

import copy
import gc
import os
import re
import signal
import subprocess
import sys
import time
import types
import zipfile

import keras
import numpy as np
import pytest

from kcomponents import callbacks
from kcomponents._examination.observer import Observer
from kcomponents.callbacks._monitor import Monitor
from kcomponents.probes import structure
from kcomponents.record import Record
from kcomponents.testing import check_callback
from tests.backend_cases import once
from tests.probes.replay import models

BACKEND = keras.backend.backend()
OPTIONS = {"batch_size": 2, "epochs": 3, "verbose": 0}
KINDS = ["sequential", "functional", "time_distributed"]
NAMES = [
    name for name in callbacks.__all__ if issubclass(getattr(callbacks, name), Monitor)
]
OBSERVERS = [
    name for name in callbacks.__all__ if issubclass(getattr(callbacks, name), Observer)
]


def monitors(**options):
    return [
        callbacks.GradientNormLogger(per_variable=True, **options),
        callbacks.UpdateRatioMonitor(**options),
        callbacks.DeadReLUMonitor(**options),
        callbacks.SaturationMonitor(**options),
        callbacks.FiniteGuard(**options),
    ]


def trained(name, watching, path=None):
    model, x, y = models[name]()
    model.compile("adam", "mse", jit_compile=BACKEND == "jax")
    keras.utils.set_random_seed(1)
    saving = [keras.callbacks.ModelCheckpoint(path, save_freq=3)] if path else []
    model.fit(x, y, callbacks=[*watching, *saving], **OPTIONS)
    return model


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


# Not every model has an activation that each monitor watches.
@pytest.mark.filterwarnings("ignore:No hidden layer with a saturating activation")
@pytest.mark.parametrize("every", [None, *once(3)])
@pytest.mark.parametrize("name", KINDS)
def test_weights_and_counts_are_those_without(name, every):
    ours = state(trained(name, monitors(every=every)))
    plain = state(trained(name, []))
    assert len(ours) == len(plain)
    for a, b in zip(ours, plain, strict=True):
        # A compiler may order sums of another program otherwise.
        np.testing.assert_allclose(a, b, rtol=0, atol=0 if BACKEND == "torch" else 1e-6)


@pytest.mark.filterwarnings("ignore:No hidden layer with a saturating activation")
@pytest.mark.skipif(BACKEND != "jax", reason="only JAX compiles single operations")
def test_a_fit_compiles_one_function_more_than_without(caplog):
    import jax

    def functions(watching):
        caplog.clear()
        # Other widths than elsewhere: JAX keeps what it compiled for a shape.
        sizes = keras.layers.Dense(37, "relu"), keras.layers.Dense(23, "tanh")
        model = keras.Sequential([keras.Input((41,)), *sizes])
        model.compile("adam", "mse")
        with jax.log_compiles():
            model.fit(np.ones((8, 41)), np.ones((8, 23)), callbacks=watching, **OPTIONS)
        messages = [record.getMessage() for record in caplog.records]
        found = [re.match(r"Finished XLA compilation of (\S+)", m) for m in messages]
        return sorted(match[1] for match in found if match)

    # What Keras computes after its first epoch is compiled once for all.
    functions([])
    plain, ours = functions([]), functions(monitors())
    assert "jit(train_step)" in plain
    # That which measures sampled steps.
    assert ours == sorted([*plain, "jit(measure)"])


def test_files_saved_in_the_middle_are_those_without(tmp_path):
    found = []
    for side, watching in (("ours", monitors()), ("plain", [])):
        # Names that Keras counts begin anew.
        keras.utils.clear_session(free_memory=False)
        path = os.fspath(tmp_path / f"{side}.keras")
        trained("sequential", watching, path)
        with zipfile.ZipFile(path) as file:
            names = sorted(file.namelist())
            # Objects that a file shares go by their addresses.
            config = re.sub(rb'"shared_object_id": \d+', b"", file.read("config.json"))
        found.append((names, config, state(keras.saving.load_model(path))))
    (names, config, ours), (plain_names, plain_config, plain) = found
    assert names == plain_names and config == plain_config
    assert len(ours) == len(plain)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:No hidden layer with a saturating activation")
@pytest.mark.parametrize("name", OBSERVERS)
def test_each_keeps_the_promises_of_a_callback(name):
    check_callback(getattr(callbacks, name))


@pytest.mark.any_backend
@pytest.mark.parametrize("name", NAMES)
def test_each_says_in_a_table_or_sentence_what_it_found(name, capsys):
    monitor = getattr(callbacks, name)(verbose=1)
    trained("sequential", [monitor])
    printed = capsys.readouterr().out
    # Layers and kernels that need no attention are only counted.
    counted = ("1 layer: every unit fired.", "1 layer: few outputs", "3 kernels: ok.")
    assert monitor.report in printed or printed.startswith(counted)
    quiet = getattr(callbacks, name)()
    trained("sequential", [quiet])
    assert capsys.readouterr().out == ""


HOLDERS = {
    "EarlyStopping": lambda path: callbacks.EarlyStopping(check_every=2),
    "Resume": lambda path: callbacks.Resume(path, 3),
    "check_first": lambda path: callbacks.TrainingDoctor(check_first=True),
    **{name: lambda path, name=name: getattr(callbacks, name)() for name in OBSERVERS},
}
OF_THEIR_OWN = [
    "EarlyStopping",
    "Resume",
    "TrainingDoctor",
    "check_first",
    "DeadReLUMonitor",
]
# These differ from the monitors above in what they measure only.
OTHERS = [name for name in HOLDERS if name not in OF_THEIR_OWN]


@pytest.mark.filterwarnings("ignore:No hidden layer with a saturating activation")
@pytest.mark.parametrize("name", [*OF_THEIR_OWN, *once(*OTHERS)])
def test_a_training_that_ended_keeps_no_data_alive(name, tmp_path, small_heap):
    callback = HOLDERS[name](tmp_path)
    hidden = keras.layers.Dense(8, "relu")
    model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")

    def alive_after(*watching):
        """Return the frames of `fit` and the iterators that only `gc` ends."""
        model.fit(x, y, 2, validation_data=(x, y), verbose=0, callbacks=[*watching])
        return [
            thing
            for thing in gc.get_objects()
            if type(thing).__name__.endswith("EpochIterator")
            or (isinstance(thing, types.FrameType) and thing.f_code.co_name == "fit")
        ]

    gc.collect()
    # Such an iterator of TensorFlow may wait a minute in its destructor.
    gc.disable()
    try:
        if alive_after():
            pytest.skip("This Keras keeps its iterators itself")
        assert alive_after(callback) == []
    finally:
        gc.enable()


class Copier(keras.callbacks.Callback):
    """Copies other callbacks in the middle of training, as tuners do before it."""

    def __init__(self, others):
        super().__init__()
        self.others = others

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.copies = copy.deepcopy(self.others)


def test_copies_made_in_the_middle_and_after_work_by_themselves():
    originals = monitors()
    copier = Copier(originals)
    trained("sequential", [*originals, copier])
    for copies in (copier.copies, copy.deepcopy(originals)):
        trained("sequential", copies)
        for ours, theirs in zip(copies, originals, strict=True):
            assert ours.report == theirs.report


def test_keys_reach_callbacks_that_stand_behind(tmp_path):
    log = tmp_path / "log.csv"
    trained("sequential", [*monitors(), keras.callbacks.CSVLogger(log)])
    header = log.read_text().splitlines()[0]
    for key in ("grad_norm", "clip_rate", "update_ratio", "dead_relu", "saturated"):
        assert key in header


TRAIN = """
import sys
from kcomponents.callbacks import DeadReLUMonitor, GradientNormLogger
from kcomponents.record import Record
from tests.callbacks.test_together import OPTIONS
from tests.backend_cases import once
from tests.probes.replay import models

model, x, y = models["sequential"]()
model.compile("adam", "mse")
record = Record(path=sys.argv[1])
watching = [c(every=1, record=record) for c in (GradientNormLogger, DeadReLUMonitor)]
model.fit(x, y, callbacks=watching, **{**OPTIONS, "epochs": 10**6})
"""


@pytest.mark.any_backend
def test_a_killed_training_leaves_every_reading_up_to_the_last_whole_line(tmp_path):
    path = tmp_path / "record.jsonl"
    command = [sys.executable, "-c", TRAIN, os.fspath(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as training:
        end = time.monotonic() + 120
        while time.monotonic() < end and training.poll() is None:
            if path.exists() and path.read_bytes().count(b"\n") > 50:
                break
            time.sleep(0.02)
        training.send_signal(signal.SIGKILL)
    lines = path.read_bytes().count(b"\n")
    record = Record.load(path)
    # One line tells the structure.
    assert len(record.readings) == lines - 1 >= 50
    steps = [r.step for r in record.readings if "gradient_square" in r.values]
    assert steps == list(range(1, len(steps) + 1))


def test_a_record_holds_structure_and_readings_of_all(tmp_path):
    path = tmp_path / "record.jsonl"
    model, *_ = models["sequential"]()
    model.compile("adam", "mse")
    record = Record(structure(model), path)
    trained("sequential", monitors(record=record))
    loaded = Record.load(path)
    assert loaded.structure["optimizer"]["class"] == "Adam"
    assert len(loaded.readings) == 5 * OPTIONS["epochs"]
