"""Trainings that tell of themselves in a log, and wait until they are let go."""

import json
import os
import pathlib
import time

import keras
import keras_tuner

from tests.tuning import small

# Longer than anything that is waited for takes, in seconds.
LONG = 120
VARIABLES = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "KCOMPONENTS_GPU_FRACTION")


def wait_until(found, what):
    """Return what a function finds, as soon as it finds something."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.05)
    raise TimeoutError(f"In {LONG} s there was never {what}.")


class Teller(keras.callbacks.Callback):
    """Tells of each epoch, and holds the first until there is a file `go`."""

    def __init__(self, folder, values):
        super().__init__()
        self.folder, self.values = pathlib.Path(folder), values

    def on_epoch_end(self, epoch, logs=None):
        environment = {name: os.environ.get(name) for name in VARIABLES}
        told = {"process": os.getpid(), "epoch": epoch, "environment": environment}
        line = json.dumps({**told, "values": self.values}) + "\n"
        # In one piece, so that several may write at once.
        file = os.open(self.folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
        wait_until((self.folder / "go").exists, "a file `go`")


class Held(keras_tuner.HyperModel):
    """The small net, whose trainings are held.

    Args:
        folder: Path, where the log and the file `go` are.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = str(folder)

    def build(self, hp):
        return small.build(hp)

    def fit(self, hp, model, *args, callbacks, **kwargs):
        teller = Teller(self.folder, hp.values)
        return model.fit(*args, callbacks=[teller, *callbacks], **kwargs)


def told(folder):
    """Return the lines of the log."""
    path = pathlib.Path(folder) / "log"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]
