"""Programs that train a tiny model with all callbacks, in several variants.

Each variant differs in its data, in when states are saved, and in what else a state
consists of. A program trains in a folder and returns everything that can be observed
of the training once it has ended.
"""

import pathlib
from typing import Any, NamedTuple

import keras
import numpy as np

from kcomponents import callbacks
from kcomponents._keras.random_state import random_state
from kcomponents.record import Record
from tests.kills.faults import Boundaries

BATCH, STEPS, EPOCHS = 4, 6, 4
# Samples by which `Revive` judges units, few enough that it finds some.
FEW = np.random.default_rng(1).normal(size=(2, 6, 6, 1)).astype("float32")


class Variant(NamedTuple):
    """What differs between two programs.

    Args:
        data: `"arrays"`, `"generator"`, `"pydataset"` or `"dataset"` (of `tf.data`).
        save_freq: Of `Resume`.
        every: Of the monitors.
        validation: Whether `fit` gets validation data.
        check_every: Of `EarlyStopping`.
        files: Whether `EarlyStopping` keeps its states in files.
        bad_step: Whether one batch of the data is infinite.
        accumulation: Of the optimizer.
        averages: Whether weights are averaged, with `SwapEMAWeights`.
        executions: Steps per execution.
        patience: Of `EarlyStopping`.
        rate: The learning rate.
    """

    data: str = "arrays"
    save_freq: int | str = "epoch"
    every: int | None = None
    validation: bool = True
    check_every: int | None = None
    files: bool = True
    bad_step: bool = False
    accumulation: int | None = None
    averages: bool = False
    executions: int = 1
    patience: int = 9
    rate: float = 0.05


VARIANTS = {
    "epochs": Variant(patience=1, rate=0.5),
    "steps": Variant(save_freq=1, every=2, check_every=4),
    "generator": Variant("generator", 3, validation=False, bad_step=True),
    "accumulation": Variant("pydataset", 3, accumulation=2, files=False),
    "averages": Variant(save_freq=3, averages=True),
}
BACKEND = keras.backend.backend()
if BACKEND != "torch":
    kind = "dataset" if BACKEND == "tensorflow" else "arrays"
    VARIANTS["executions"] = Variant(kind, 2, executions=2)


class Batches(keras.utils.PyDataset):
    """Batches of arrays, in another order in each epoch."""

    def __init__(self, x, y):
        super().__init__()
        self._x, self._y, self._rng = x, y, np.random.default_rng(3)

    def __len__(self):
        return len(self._x) // BATCH

    def __getitem__(self, index):
        chosen = slice(index * BATCH, (index + 1) * BATCH)
        return self._x[chosen], self._y[chosen]

    def on_epoch_end(self):
        order = self._rng.permutation(len(self._x))
        self._x, self._y = self._x[order], self._y[order]


def endless(x, y, bad_step):
    """Yield random batches; with `bad_step`, the ninth one is infinite."""
    rng, number = np.random.default_rng(3), 0
    while True:
        chosen, number = rng.choice(len(x), BATCH), number + 1
        yield x[chosen] * (np.inf if bad_step and number == 9 else 1), y[chosen]


def data_of(variant):
    """Return the arguments of `fit` that are data."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH * STEPS + 8, 6, 6, 1)).astype("float32")
    y = (x.mean((1, 2, 3)) > 0).astype("int32") + (x[:, 0, 0, 0] > 1)
    train, held_out = (x[8:], y[8:]), (x[:8], y[:8])
    if variant.data == "arrays":
        found = {"x": train[0], "y": train[1], "batch_size": BATCH}
    elif variant.data == "generator":
        found = {"x": endless(*train, variant.bad_step), "steps_per_epoch": STEPS}
    elif variant.data == "pydataset":
        found = {"x": Batches(*train)}
    else:
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices(train)
        found = {"x": dataset.shuffle(len(train[0]), seed=3).batch(BATCH)}
    return {**found, **({"validation_data": held_out} if variant.validation else {})}


def model_of(variant):
    """Return a compiled model with every kind of state."""
    hidden = [
        keras.layers.Conv2D(2, 3, strides=2, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2, seed=5),
        keras.layers.Flatten(),
        keras.layers.Dense(5, activation="tanh"),
        keras.layers.Dropout(0.2),
    ]
    model = keras.Sequential([keras.Input((6, 6, 1)), *hidden, keras.layers.Dense(3)])
    optimizer = keras.optimizers.Adam(
        variant.rate,
        gradient_accumulation_steps=variant.accumulation,
        use_ema=variant.averages,
        ema_momentum=0.9,
    )
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=variant.executions,
    )
    return model


def callbacks_of(variant, folder):
    """Return all callbacks but `Resume`, ours before those of Keras that read logs."""
    every = {"every": variant.every}
    monitor = "val_loss" if variant.validation or variant.check_every else "loss"
    files = {"best_path": "best.npz", "state_path": "stopper.npz"}
    stopper = callbacks.EarlyStopping(
        monitor,
        patience=variant.patience,
        restore_best_weights=True,
        restore_optimizer=True,
        check_every=variant.check_every,
        **({n: folder / f for n, f in files.items()} if variant.files else {}),
    )
    record = Record(path=folder / "norms.jsonl")
    ours = [
        callbacks.GradientNormLogger(per_variable=True, record=record, **every),
        callbacks.UpdateRatioMonitor(sample=2, **every),
        callbacks.DeadReLUMonitor(**every),
        callbacks.SaturationMonitor(**every),
        callbacks.FiniteGuard(action="skip", **every),
        callbacks.TrainingDoctor(record_path=folder / "record.jsonl"),
        callbacks.Revive(FEW, until=EPOCHS, seed=3),
        callbacks.WarmUp(3),
    ]
    checkpoint = keras.callbacks.ModelCheckpoint
    best = {"monitor": "val_loss" if variant.validation else "loss"}
    keras_own = [
        keras.callbacks.ReduceLROnPlateau(**best, patience=1, factor=0.5),
        checkpoint(folder / "best.keras", save_best_only=True, **best),
        checkpoint(folder / "{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.CSVLogger(folder / "log.csv", append=True),
    ]
    if not variant.bad_step:
        keras_own.append(keras.callbacks.TerminateOnNaN())
    if variant.averages:
        schedule = keras.callbacks.LearningRateScheduler(
            lambda epoch: 0.05 / (1 + epoch)
        )
        keras_own[:1] = [schedule, keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]
    return [*ours, stopper, *keras_own]


def train(variant, folder, faults, started=None, resumed=True):
    """Train, and return what can be observed of the training.

    Args:
        variant: `Variant`.
        folder: Path of the folder of all files, created if needed.
        faults: `Faults` of this process.
        started: Function that is called after the first step. Defaults to `None`.
        resumed: Whether to use `Resume`. Defaults to `True`.
    """
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(0)
    model = model_of(variant)
    used = callbacks_of(variant, folder)
    resume = callbacks.Resume(folder / "run", save_freq=variant.save_freq)
    history = model.fit(
        **data_of(variant),
        epochs=EPOCHS,
        verbose=0,
        callbacks=[
            Boundaries(faults, "first"),
            *used,
            *([resume] if resumed else []),
            Boundaries(faults, "last", started),
        ],
    )
    faults.cross("end of fit")
    return {
        "weights": values_of(model.variables),
        "optimizer": values_of(model.optimizer.variables),
        "random": random_state(),
        "history": history.history,
        "epochs": history.epoch,
        "callbacks": {type(c).__name__: observed(c) for c in used},
    }


def values_of(variables):
    """Return path → array of variables, numbered as paths may be equal."""
    return {
        f"{index} {variable.path}": keras.ops.convert_to_numpy(variable)
        for index, variable in enumerate(variables)
    }


# Public attributes in which a callback keeps what it found.
ATTRIBUTES = {
    "EarlyStopping": (
        *("best", "best_epoch", "best_step", "wait", "stopped_epoch", "history"),
        *("stop_reason", "stop_message"),
    ),
    "FiniteGuard": ("finding", "skipped", "rollbacks", "report"),
    "TrainingDoctor": ("diagnosis", "record"),
    "Revive": ("revived",),
    "ReduceLROnPlateau": ("best", "wait", "cooldown_counter"),
    "ModelCheckpoint": ("best",),
}
MONITOR = ("readings", "report")


def observed(callback: Any) -> dict[str, Any]:
    """Return the public attributes in which a callback keeps what it found."""
    names = ATTRIBUTES.get(type(callback).__name__, ())
    if hasattr(callback, "readings"):
        names = (*names, *MONITOR)
    found = {name: getattr(callback, name) for name in names}
    return {name: plain(value) for name, value in found.items()}


def plain(value):
    """Return a value without classes of ours, whose equality is their own matter."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if hasattr(value, "numpy"):
        return np.asarray(value.numpy())
    return value


def check_folder(folder: pathlib.Path) -> list[str]:
    """Return a sentence for each file in its place that cannot be read."""
    from kcomponents._state_file import read_state
    from kcomponents.callbacks._best_state import BestFile
    from kcomponents.callbacks._stop_state import KIND as STOP_KIND
    from kcomponents.callbacks.resume import KIND

    kinds = {"state": KIND, "stopper": STOP_KIND, "best": BestFile.KIND}
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        try:
            if path.name.startswith(".") or not path.is_file():
                continue
            if path.suffix == ".jsonl":
                Record.load(path)
            elif path.name.endswith((".npz", ".npz.previous")):
                read_state(path, kinds[path.name.partition(".")[0]])
        except (ValueError, OSError) as error:
            found.append(f"{name} cannot be read: {error}")
    return found
