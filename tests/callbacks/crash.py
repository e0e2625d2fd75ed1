"""Kill a training on real digits at random moments, and compare with one unharmed.

Each process trains until it is killed with SIGKILL; the next one goes on from what it
left. A training that came to its end must be bit-equal to the one that nobody killed:
weights, optimizer, history, epoch of the stop. No file may be there in parts, ever.

    KERAS_BACKEND=jax python tests/callbacks/crash.py --kills 50

Processes are forks of this one, which has imported Keras and computed nothing.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings

import keras
import numpy as np

from kcomponents._state_file import read_state, write_state
from kcomponents.callbacks import EarlyStopping, Resume
from kcomponents.callbacks._best_state import BestFile
from kcomponents.callbacks._stop_state import KIND as STOP_KIND
from kcomponents.callbacks.resume import KIND

DIGITS = pathlib.Path(__file__).parents[2] / "recipes" / "data" / "mnist10k.npz"
KINDS = {"state": KIND, "stopper": STOP_KIND, "best": BestFile.KIND}


class Began(keras.callbacks.Callback):
    """Tells the parent that training goes on."""

    def __init__(self, pipe):
        super().__init__()
        self._pipe = pipe

    def on_train_batch_end(self, batch, logs=None):
        if self._pipe is not None:
            os.write(self._pipe, b"b")
            self._pipe = None


def make_model():
    """Return a small net with all that a state is made of."""
    hidden = [
        keras.layers.Conv2D(4, 5, strides=3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.2),
    ]
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), *hidden, keras.layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss, metrics=["accuracy"])
    return model


def train(folder, how, pipe=None):
    """Train until validation gets no better, and write down what came of it."""
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(0)
    with np.load(DIGITS) as data:
        x, y = data["x"][:700] / np.float32(255), data["y"][:700]
    x, model = x.reshape(-1, 28, 28, 1).astype("float32"), make_model()
    paths = {}
    if how == "files":
        paths = {"best_path": folder / "best.npz", "state_path": folder / "stopper.npz"}
    stopper = EarlyStopping(patience=3, restore_best_weights=True, **paths)
    saving = {} if how == "plain" else {"save_freq": 2 if how == "steps" else "epoch"}
    resume = [Resume(folder / "run", **saving)] if saving else []
    slower = keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.5)
    history = model.fit(
        x[:500],
        y[:500],
        batch_size=50,
        epochs=60,
        validation_data=(x[500:], y[500:]),
        verbose=0,
        callbacks=[Began(pipe), slower, stopper, *resume],
    )
    variables = [*model.variables, *model.optimizer.variables]
    found = {
        "variables": [v.numpy() for v in variables],
        "history": history.history,
        "stopped_epoch": stopper.stopped_epoch,
        "best_epoch": stopper.best_epoch,
        "best": stopper.best,
        "reason": stopper.stop_reason.name,
    }
    write_state(folder / "result.npz", "a result", found)


def in_child(work):
    """Do some work in a process of its own; return its number, and a pipe from it."""
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        return child, told
    code = 1
    try:
        work(tell)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def finish(child):
    """Wait for a process, and see that it came to its end by itself."""
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("a training failed")


def check_files(folder):
    """Read every file that is there in its place."""
    for path in [p for p in folder.rglob("*.npz*") if p.is_file()]:
        hidden = path.name.startswith(".")
        if not hidden and path.name != "result.npz":
            read_state(path, KINDS[path.name.split(".")[0]])


def same(one, other):
    """Return whether two results are equal to the last bit."""
    plain = [{k: v for k, v in r.items() if k != "variables"} for r in (one, other)]
    pairs = zip(one["variables"], other["variables"], strict=True)
    return plain[0] == plain[1] and all(np.array_equal(a, b) for a, b in pairs)


def harm(folder, how, kills, rng, tell=print):
    """Kill so many processes; return how many trainings came to their end."""
    begin = time.monotonic()
    child, _ = in_child(lambda tell: train(folder / "whole", "plain"))
    finish(child)
    whole = read_state(folder / "whole" / "result.npz", "a result")
    at_most, ended, killed = (time.monotonic() - begin) / 4, 0, 0
    tell(
        f"{keras.backend.backend()}, {how}: unharmed and unsaved, it stops in epoch "
        f"{whole['stopped_epoch'] + 1} ({whole['reason']})"
    )
    place = folder / "harmed"
    while killed < kills or place.exists():
        child, told = in_child(lambda tell: train(place, how, tell))
        if killed < kills:
            # At any moment of the training, or now and then before it.
            if rng.random() < 0.9:
                os.read(told, 1)
            time.sleep(rng.uniform(0, at_most))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
        else:
            finish(child)
        os.close(told)
        check_files(place)
        if (place / "result.npz").exists():
            result = read_state(place / "result.npz", "a result")
            if not same(result, whole):
                raise SystemExit(f"after {killed} kills the result is another one")
            ended += 1
            shutil.rmtree(place)
    tell(f"  {killed} kills; {ended} trainings came to their end, all bit-equal to it")
    return ended


def main(argv=None):
    """Harm trainings, and say how they took it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50, help="how many (50)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument(
        "--how", nargs="*", default=["steps", "epochs", "files"], help="what is saved"
    )
    args = parser.parse_args(argv)
    # Imports what it needs, which each fork would do again.
    keras.utils.set_random_seed(0)
    warnings.simplefilter("error", RuntimeWarning)
    warnings.filterwarnings("ignore", "os.fork")
    for how in args.how:
        with tempfile.TemporaryDirectory() as folder:
            rng = random.Random(args.seed)
            harm(pathlib.Path(folder), how, args.kills, rng)


if __name__ == "__main__":
    main()
