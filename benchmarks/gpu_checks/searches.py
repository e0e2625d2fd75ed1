"""Searches: workers that share one GPU, and one worker for each GPU."""

import contextlib
import json
import os
import pathlib
import tempfile
import time

import keras
import keras_tuner
import numpy as np

from gpu_checks.device import HIDDEN, accelerator
from gpu_checks.rows import Row
from kcomponents import _backends, tuning

WORKERS, TRIALS = 2, 4
# The memory that one of two workers may take, and what the driver takes beside it.
SHARE = 0.45
# Names that no GPU of a machine has: workers report what they were told.
FAKE = ["61", "62"]


class Reporter(keras_tuner.HyperModel):
    """A small net; each trial reports what its process sees of the GPUs.

    Args:
        folder: Path of the folder for the reports.
        train: Boolean, whether trials train. Defaults to True.
    """

    def __init__(self, folder, train=True):
        super().__init__()
        self.folder, self.train = str(folder), train

    def build(self, hp):
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu")])
        model.add(keras.layers.Dense(1))
        model.compile(keras.optimizers.Adam(rate), "mse")
        return model

    def fit(self, hp, model, *args, **kwargs):
        if self.train:
            result = model.fit(*args, **kwargs)
        else:
            # Long enough that the other worker takes one of the trials.
            time.sleep(1.0)
            result = {"val_loss": hp.get("learning_rate")}
        report(self.folder)
        return result


def report(folder):
    """Write what this process sees, in a file that no other process writes."""
    seen = {
        "process": os.getpid(),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "share": os.environ.get("KCOMPONENTS_GPU_FRACTION"),
        "gpu": accelerator(),
        "peak": _backends.peak_memory(),
    }
    with open(pathlib.Path(folder) / f"{os.getpid()}.json", "a") as file:
        file.write(json.dumps(seen) + "\n")


def searched(train=True):
    """Run a search of two workers; return its trials, and what each process saw."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8)).astype("float32")
    options = {"finalists": 0, "repeats": 0, "seed": 0, "pruner": "none"}
    with tempfile.TemporaryDirectory() as folder:
        reporter = Reporter(folder, train)
        search = tuning.Search(
            *(reporter, "val_loss", TRIALS),
            **options,
            workers=WORKERS,
            directory=folder,
        )
        search.search(x, x[:, :1], validation_split=0.25, epochs=2, verbose=0)
        files = sorted(pathlib.Path(folder).glob("*.json"))
        seen = [json.loads(file.read_text().splitlines()[-1]) for file in files]
        return search.results["trials"], seen


def shared_row():
    """Let two workers share a GPU; on a CPU they share its cores."""
    trials, seen = searched()
    done = [trial for trial in trials if trial["state"] == "completed"]
    told = f"{len(done)} trials by {len(seen)} workers"
    bound = f"{TRIALS} trials by {WORKERS} workers"
    ok = told == bound
    if accelerator():
        shares = {worker["share"] for worker in seen}
        told += f", shares {', '.join(sorted(map(str, shares)))}"
        bound += f", shares {SHARE}"
        ok = told == bound and all(worker["gpu"] for worker in seen)
        told += f", peak {max(worker['peak'] or 0 for worker in seen) / 2**20:.0f} MiB"
    return Row(told, bound, ok)


@contextlib.contextmanager
def told(variables):
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def own_gpu_row():
    """Pretend that there are two GPUs; each worker sees one of its own."""
    # What does not exist cannot be computed on.
    with told({**HIDDEN, "CUDA_VISIBLE_DEVICES": ",".join(FAKE)}):
        _, seen = searched(train=False)
    visible = sorted(str(worker["visible"]) for worker in seen)
    return Row(f"they see {', '.join(visible)}", ", ".join(FAKE), visible == FAKE)


def checks(trial):
    """Return the checks of this part by name."""
    own = {"Search: a GPU for each worker, of two that are pretended": own_gpu_row}
    # What a worker is told does not depend on the backend: once is enough for a trial.
    own = own if not trial or keras.backend.backend() == "jax" else {}
    return {"Search: two workers share a GPU": shared_row, **own}
