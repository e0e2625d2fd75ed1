"""Trainings on the GPU: equal without monitors, the doctor and other callbacks."""

import collections
import contextlib
import functools
import io
import re
import tempfile
import warnings
import zipfile

import h5py
import keras
import numpy as np

from gpu_checks.device import accelerator
from gpu_checks.results import BOUNDS, array, error_of, on_cpu, policy
from gpu_checks.rows import Row
from kcomponents import callbacks, layers
from kcomponents.optimizers import clipped

BACKEND = keras.backend.backend()
EPOCHS, STEPS, BATCH = 4, 5, 16
BOUND = 1e-6
WATCHERS = {
    "GradientNormLogger": lambda: callbacks.GradientNormLogger(per_variable=True),
    "DeadReLUMonitor": callbacks.DeadReLUMonitor,
    "UpdateRatioMonitor": callbacks.UpdateRatioMonitor,
    "SaturationMonitor": callbacks.SaturationMonitor,
    "FiniteGuard": callbacks.FiniteGuard,
    "TrainingDoctor": callbacks.TrainingDoctor,
    "EarlyStopping": lambda: callbacks.EarlyStopping("loss", patience=EPOCHS + 1),
}
ALL = "all monitors, doctor and early stopping"
# Enough to change a step, and quick to compile.
SOME = "some monitors"


def watchers(name):
    """Return the callbacks that go by a name."""
    groups = {ALL: WATCHERS, SOME: ["GradientNormLogger", "FiniteGuard"]}
    return [WATCHERS[each]() for each in groups.get(name, [name])]


def net():
    """Return a compiled model with our layers, ready for `fit`."""
    keras.utils.set_random_seed(0)
    # Names of their own, as those that count on would make files differ.
    inputs = keras.Input((8, 8, 3), name="x")
    x = keras.layers.Conv2D(8, 3, activation="relu", name="convolution")(inputs)
    x = keras.layers.BatchNormalization(name="normalization")(x)
    x = layers.MaxoutConv2D(6, 3, 2, name="maxout")(x)
    x = layers.RReLU(seed=2, name="rrelu")(keras.layers.Flatten(name="flat")(x))
    x = keras.layers.Dense(24, "sigmoid", name="hidden")(x)
    x = keras.layers.Dropout(0.2, seed=3, name="dropout")(x)
    outputs = keras.layers.Dense(10, dtype="float32", name="outputs")(x)
    model = keras.Model(inputs, outputs, name="net")
    # Momentum, since Adam would make a step of what rounding leaves of a gradient.
    momentum = keras.optimizers.SGD(0.05, 0.9, name="momentum")
    optimizer = clipped(momentum, global_clipnorm=1.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def data():
    """Return inputs and labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS * BATCH, 8, 8, 3)).astype("float32")
    return x, rng.integers(10, size=len(x))


def fit(model, given=(), x=None, **options):
    """Fit without shuffling; return the history."""
    inputs, labels = data()
    inputs = inputs if x is None else x
    options = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False} | options
    return model.fit(inputs, labels, verbose=0, callbacks=list(given), **options)


def values(model):
    """Return all variables of a model and of its optimizer, by path."""
    found = [*model.variables, *model.optimizer.variables]
    return [(variable.path, array(variable)) for variable in found]


def weights(model):
    """Return the variables of a model alone."""
    return [(variable.path, array(variable)) for variable in model.variables]


def off_by(found, expected):
    """Return the largest difference of the arrays of pairs (path, array)."""
    counts = len(found), len(expected)
    if counts[0] != counts[1]:
        raise ValueError(f"{counts[1]} variables became {counts[0]}.")
    pairs = zip(found, expected, strict=True)
    worst = np.max([np.abs(a - b).max(initial=0) for (_, a), (_, b) in pairs])
    return float(worst) if np.isfinite(worst) else float("inf")


def content_of_file(model):
    """Return what a saved file holds, but for values, the date and addresses."""
    with tempfile.NamedTemporaryFile(suffix=".keras") as file:
        model.save(file.name)
        with zipfile.ZipFile(file.name) as archive:
            names = sorted(archive.namelist())
            config = archive.read("config.json").decode()
            content = io.BytesIO(archive.read("model.weights.h5"))
    held = []
    with h5py.File(content) as tree:
        tree.visititems(
            lambda name, node: held.append((name, getattr(node, "shape", 0)))
        )
    return names, re.sub(r'"shared_object_id": \d+', "", config), held


@functools.cache
def plain(dtype="float32"):
    """Return values and the saved file after a fit without callbacks."""
    with policy(dtype):
        model = net()
        fit(model)
    return values(model), content_of_file(model)


def unchanged_row(name, dtype="float32"):
    """Train with callbacks, and compare with a training without."""
    expected, file = plain(dtype)
    with policy(dtype):
        model = net()
        fit(model, watchers(name))
    found = values(model)
    if dtype == "float32":
        worst, bound = off_by(found, expected), BOUND
    else:
        # What is stored in 16 bits, and when, is up to the compiler.
        sides = [[array for _, array in side] for side in (found, expected)]
        worst, bound = error_of(*sides), BOUNDS[dtype]
    same = content_of_file(model) == file
    told = f"{worst:.1e}, {len(found)} variables, files {'equal' if same else 'differ'}"
    return Row(told, f"{bound:.1e}, equal", worst <= bound and same)


class Breaker(keras.callbacks.Callback):
    """Raises after a step."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise BrokenOff


class BrokenOff(Exception):
    """What ends a training here."""


def batches(last=None):
    """Yield batches for ever, or raise after some of them."""
    x, y = data()
    for number in range(EPOCHS * STEPS):
        if number == last:
            raise BrokenOff
        part = slice(number % STEPS * BATCH, (number % STEPS + 1) * BATCH)
        yield x[part], y[part]


def broken_row():
    """End trainings by exceptions; the model has the state of the last step."""
    after_three = net()
    after_three.fit(batches(), steps_per_epoch=3, epochs=1, verbose=0)
    worst = 0.0
    for where in ("callback", "data"):
        model = net()
        last = Breaker() if where == "callback" else keras.callbacks.Callback()
        stream = batches(3 if where == "data" else None)
        options = {"steps_per_epoch": STEPS, "epochs": 1, "verbose": 0}
        try:
            model.fit(stream, callbacks=[*watchers(SOME), last], **options)
        except Exception as error:
            # Some backends pack what the data raise into an error of their own.
            if where == "callback" and not isinstance(error, BrokenOff):
                raise
        else:
            raise ValueError(f"The exception of the {where} was lost.")
        worst = max(worst, off_by(weights(model), weights(after_three)))
        # Donated buffers would be missed here.
        fit(model, epochs=1)
    return Row(f"{worst:.1e}", f"{BOUND:.1e}", worst <= BOUND)


def resume_row():
    """Train half of the epochs, then the rest in a new model, as a new program does."""
    expected, _ = plain()
    with tempfile.TemporaryDirectory() as folder:
        fit(net(), [callbacks.Resume(folder), *watchers(SOME)], epochs=EPOCHS // 2)
        model = net()
        fit(model, [callbacks.Resume(folder), *watchers(SOME)])
    worst = off_by(values(model), expected)
    return Row(f"{worst:.1e}", f"{BOUND:.1e}", worst <= BOUND)


def finite_guard_row():
    """Put a NaN into the third batch; the guard finds it, skips it, rolls it back."""
    x, _ = data()
    x[2 * BATCH + 1, 0, 0, 0] = np.nan
    # The running averages of a batch normalization take the NaN of a skipped batch.
    told, ok = [], True
    for action in ("stop", "skip", "rollback"):
        guard = callbacks.FiniteGuard(action=action)
        model = bare_net()
        fit(model, [guard], x, epochs=2)
        finite = all(np.isfinite(found).all() for _, found in weights(model))
        right = guard.finding is not None and guard.finding.step == 3
        if action == "stop":
            right &= guard.finding is not None and len(model.history.epoch) == 1
        else:
            right &= finite
        ok &= right
        told.append(f"{action}: {'as it says' if right else guard.report}")
    return Row("; ".join(told), "step 3 is found", ok)


def bare_net():
    """Return a small model without moving averages."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten()], name="net"
    )
    model.add(keras.layers.Dense(16, "relu", name="rectifiers"))
    model.add(keras.layers.Dense(16, "tanh", name="sigmoids"))
    model.add(keras.layers.Dense(10, name="outputs"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, 0.9), loss)
    return model


def early_stopping_row():
    """Stop by scores that are given; the weights of the best epoch come back."""
    scores = [3.0, 1.0, 2.0, 2.0]
    fitted = net()
    fit(fitted, epochs=2)

    def score(logs):
        return scores[len(seen.epoch)]

    seen = Epochs()
    options = {"mode": "min", "patience": 2, "restore_best_weights": True}
    stopping = callbacks.EarlyStopping(score, **options)
    model = net()
    fit(model, [stopping, seen])
    worst = off_by(weights(model), weights(fitted))
    ok = worst <= BOUND and stopping.best_epoch == 1
    return Row(f"{worst:.1e}, best epoch {stopping.best_epoch}", f"{BOUND:.1e}, 1", ok)


class Epochs(keras.callbacks.Callback):
    """Lists the epochs that have ended."""

    def __init__(self):
        super().__init__()
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)


def readings_row():
    """Compare what monitors read on the GPU with what they read on the CPU."""
    here = fit(bare_net(), watchers(ALL)).history
    with on_cpu():
        expected = fit(bare_net(), watchers(ALL)).history
    if sorted(here) != sorted(expected):
        raise ValueError(f"The names differ: {sorted(set(here) ^ set(expected))}")
    off = {}
    for name, found in here.items():
        a, b = np.asarray(found, "float64"), np.asarray(expected[name], "float64")
        off[name] = float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3))
    worst = max(off, key=off.get)
    told = f"{off[worst]:.1e} of {len(off)} readings"
    ok = off[worst] <= 1e-2
    return Row(told if ok else f"{told}: {worst}", "1.0e-02", ok)


def transfers_row():
    """Count how often the host waits for a value within the steps of an epoch."""
    if BACKEND == "tensorflow":
        return Row("not measured: TensorFlow has no guard for it")
    counts = []
    for given in ([], watchers(ALL)):
        found = collections.Counter()
        # Before the others at the end of an epoch, after them at its beginning.
        first, last = Within(found), Within(found)
        first.on_epoch_end, last.on_epoch_begin = first.close, last.open
        last.partner = first
        fit(bare_net(), [first, *given, last])
        counts.append(found["reads"])
    told = f"{counts[1]} with monitors, {counts[0]} without"
    steps = (EPOCHS - 1) * STEPS
    return Row(f"{told}, in {steps} steps", "as many", counts[0] == counts[1])


class Within(keras.callbacks.Callback):
    """Watches what the host reads between the beginning and the end of an epoch."""

    def __init__(self, found):
        super().__init__()
        self.found, self.stack, self.partner = found, None, None

    def open(self, epoch, logs=None):
        # In the first epoch, what is compiled or built may read.
        if epoch:
            self.partner.stack = contextlib.ExitStack()
            self.partner.stack.enter_context(host_reads(self.found))

    def close(self, epoch, logs=None):
        if self.stack is not None:
            self.stack.close()
            self.stack = None


@contextlib.contextmanager
def host_reads(found):
    """Count the values that Python takes from the device."""
    if BACKEND == "jax":
        reads = jax_reads(found)
    elif accelerator():
        reads = cuda_reads(found)
    else:
        reads = _Reads(found)
    with reads:
        yield


@contextlib.contextmanager
def jax_reads(found):
    """Count what Python takes from arrays of JAX, in all threads."""
    import jax

    kind = type(jax.numpy.zeros(()))
    original = kind._value

    def value(array):
        found["reads"] += 1
        return original.fget(array)

    kind._value = property(value)
    try:
        yield
    finally:
        kind._value = original


@contextlib.contextmanager
def cuda_reads(found):
    """Count what makes the host wait for the GPU, as PyTorch reports it."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield
        found["reads"] += sum("synchronizing" in str(w.message) for w in told)
    finally:
        torch.cuda.set_sync_debug_mode("default")


if BACKEND == "torch":
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class _Reads(TorchDispatchMode):
        """Counts the values that Python takes out of tensors, as `item` does."""

        def __init__(self, found):
            super().__init__()
            self.found = found

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function is torch.ops.aten._local_scalar_dense.default:
                self.found["reads"] += 1
            return function(*args, **(kwargs or {}))


def checks(trial):
    """Return the checks of this part by name."""
    same, names = "With and without ", [*WATCHERS, ALL]
    dtypes = ["mixed_bfloat16", "mixed_float16"]
    if trial:
        # Compiling takes most of the time of a trial.
        names, dtypes = ["TrainingDoctor", "EarlyStopping", ALL], dtypes[1:]
    rows = {same + name: functools.partial(unchanged_row, name) for name in names}
    for dtype in dtypes:
        rows[f"{same}{ALL}, {dtype}"] = functools.partial(unchanged_row, ALL, dtype)
    return {
        **rows,
        "Reads of the host within epochs": transfers_row,
        "Readings of monitors beside the CPU": readings_row,
        "An exception between steps and in the data": broken_row,
        "Resume: two epochs and two beside four": resume_row,
        "FiniteGuard: a NaN in the data": finite_guard_row,
        "EarlyStopping: the weights of the best epoch": early_stopping_row,
    }
