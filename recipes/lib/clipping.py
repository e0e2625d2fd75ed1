"""Train a recurrent net with its gradients clipped, and keep what was seen of it."""

import argparse
import hashlib
import math
import os
import time

import keras
import numpy as np

from kcomponents.callbacks import EarlyStopping, GradientNormLogger, Resume
from kcomponents.optimizers import clipped
from lib.nets import STEPS
from lib.recurrent import UNITS, batches, draw, forget_state, net
from lib.run import progress

# Kind → the argument of `clipped`, and the threshold unless told.
CLIPS = {
    "none": (None, None),
    "norm": ("clipnorm", 1.0),
    "global": ("global_clipnorm", 1.0),
    "value": ("clipvalue", 0.01),
    "adaptive": ("agc", 0.01),
    "auto": ("global_clipnorm", "auto"),
}
# A run whose loss is more than so many times that of a constant has diverged.
FAR = 2
# Up to so many updates the norm of each is read, of more that of each epoch.
EACH = 1000


def number(low=None, word=None):
    """Return a reader: of a word, and whole numbers from `low` on or any above 0."""

    def read(text):
        if text == word:
            return word
        value = float(text) if low is None else int(text)
        if not (0 < value < math.inf if low is None else low <= value):
            rule = f"above {0 if low is None else low - 1}"
            raise argparse.ArgumentTypeError(f"must be {rule}. Received: {text}")
        return value

    read.__name__ = "number"  # what argparse calls it
    return read


def kinds(text):
    """Return the kinds of clipping in a list with commas."""
    found = tuple(text.split(","))
    if unknown := [kind for kind in found if kind not in CLIPS]:
        rule = f"must be of {', '.join(CLIPS)}, with commas"
        raise argparse.ArgumentTypeError(f"{rule}. Received: {','.join(unknown)!r}")
    return found


def optimizer(s, kind="none", threshold=None):
    """Return the optimizer, clipped unless it is to be plain."""
    config = {"learning_rate": s.rate}
    plain = keras.optimizers.get({"class_name": s.optimizer, "config": config})
    return plain if kind == "none" else clipped(plain, **{CLIPS[kind][0]: threshold})


def suggested(task, s, seed):
    """Return a threshold from the norms of a short training.

    That is clipped at 1, since the norms of one that explodes say nothing.
    """
    keras.utils.set_random_seed(seed)
    model = net(task, s, optimizer(s, "global", 1.0), s.batch, s.length)
    logger = GradientNormLogger()
    options = {"steps_per_epoch": min(s.updates, 50), "shuffle": False, "verbose": 0}
    model.fit(batches(task, s.batch, seed), **options, callbacks=[logger])
    return logger.suggest_clipnorm()


class ForgetState(keras.callbacks.Callback):
    """Begin each epoch and each validation of a stateful net without a past."""

    def on_epoch_begin(self, *_):
        forget_state(self.model)

    on_test_begin = on_epoch_begin


class Curves(keras.callbacks.Callback):
    """Keep norms, losses and times, and go on with them where `Resume` does."""

    def __init__(self, logger, name):
        """Take norms from this logger, which stands before it in the list."""
        super().__init__()
        self.logger, self.name = logger, name
        self.epochs, self.norms = [], []

    def get_state(self):
        """Return what was kept, for `Resume`."""
        return {"epochs": self.epochs, "norms": self.norms}

    def set_state(self, state):
        """Go on from what `get_state` returned."""
        self.epochs, self.norms = list(state["epochs"]), list(state["norms"])

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        kept = {name: float(logs[name]) for name in logs}
        self.epochs.append({**kept, "seconds": time.perf_counter() - self.begin})
        if self.logger.every is None:
            self.norms.append([kept["grad_norm"], kept["grad_norm_clipped"]])
        else:
            for seen in (r.values for r in self.logger.readings if r.epoch == epoch):
                squares = seen["gradient_square_last"], seen["clipped_square"]
                self.norms.append([math.sqrt(square["all"]) for square in squares])
        progress(f"{self.name}, epoch {epoch + 1}: loss {kept['val_loss']:.4g}")


class Run:
    """One training, from its seed to its best model on disk."""

    def __init__(self, task, s, kind, seed, place):
        """Build the net; `place` is the folder for what is left behind."""
        self.task, self.s, self.kind, self.seed = task, s, kind, seed
        self.threshold = None if kind == "none" else s.threshold or CLIPS[kind][1]
        if self.threshold == "auto":
            self.threshold = suggested(task, s, seed)
        keras.utils.set_random_seed(seed)
        each = s.epochs * s.updates <= EACH
        steps, made = 1 if each else STEPS, optimizer(s, kind, self.threshold)
        self.model = net(task, s, made, s.batch, s.length, steps)
        name = f"{task.name}_{s.cell}_{kind}_{seed}"
        self.path = place / f"{name}.keras"
        logger = GradientNormLogger(every=1 if each else None)
        self.curves = Curves(logger, name)
        self.stopper = EarlyStopping(patience=s.patience, restore_best_weights=True)
        self.callbacks = [logger, self.curves, self.stopper]
        if task.name == "text":
            self.callbacks.insert(0, ForgetState())
        if s.resume:
            self.callbacks.append(Resume(place / f"{name}_{digest(s)}"))

    def fit(self):
        """Train, and keep the best model, after Ctrl-C too."""
        s, text = self.s, self.task.name == "text"
        size = s.batch if text else min(len(self.task.validation[0]), 1000)
        options = {"steps_per_epoch": s.updates, "epochs": s.epochs, "verbose": 0}
        options |= {"validation_batch_size": size, "shuffle": False}
        options |= {"validation_data": self.task.validation}
        feed = batches(self.task, s.batch, self.seed)
        try:
            with self.stopper.guard(self.model):
                self.model.fit(feed, **options, callbacks=self.callbacks)
        finally:
            if self.stopper.best is not None:
                # Whole or not at all: if this fails, the last one stays.
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.model.save(part := self.path.with_suffix(".part.keras"))
                os.replace(part, self.path)

    def result(self):
        """Return what is to be told of it, as plain values."""
        scale = 1 / math.log(2) if self.task.name == "text" else 1.0
        epochs, norms = self.curves.epochs, self.curves.norms
        losses = [known(scale * epoch["val_loss"]) for epoch in epochs]
        warm = [epoch["seconds"] for epoch in epochs[1:]]  # the first one compiles
        best, constant = self.stopper.best, scale * self.task.constant
        found = {"task": self.task.name, "cell": self.s.cell, "clip": self.kind}
        found |= {
            "threshold": self.threshold,
            "unit": UNITS[self.task.name],
            "diverged": losses[-1] is None or losses[-1] > FAR * constant,
            "final": losses[-1],
            "best": None if best is None else scale * best,
            "constant": constant,
            "updates": len(epochs) * self.s.updates,
            "clip_rate": known(float(np.mean([e["clip_rate"] for e in epochs]))),
            "seconds": float(np.median(warm)) if warm else None,
            "losses": losses,
            "norms": [known(before) for before, _ in norms],
            "clipped": [known(after) for _, after in norms],
        }
        if self.task.name == "vowels":
            found["error"] = 1 - epochs[-1]["val_accuracy"]
        if self.s.sample and best is not None:
            one = net(self.task, self.s, optimizer(self.s), 1, 1)
            found["sample"] = draw(self.model, one, self.task, self.s, self.seed)
        return found


def known(value):
    """Return a number, or None for what is not finite, which JSON has not."""
    return value if math.isfinite(value) else None


def digest(s):
    """Return a name for settings, so that others do not go on from them."""
    free = "epochs patience sample temperature clip out seed seeds".split()
    fixed = sorted((k, str(v)) for k, v in vars(s).items() if k not in free)
    return hashlib.sha256(repr(fixed).encode()).hexdigest()[:8]
