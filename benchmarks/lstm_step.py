"""Time training steps of an LSTM that is clipped our way against Keras's own clipping.

Each row is a ratio, ours over `Adam(global_clipnorm=1.0)`, of the time of the same
steps. All sides live side by side and take turns of one step in random order, so that
the machine's drift falls on all. All that is repeated with new models, since one may
run a few percent faster or slower than its like for as long as it lives. The median
over all turns counts; the row "Keras again" is the noise of the run. Exits with 1 if a
ratio is beyond its bound.

    KERAS_BACKEND=jax python benchmarks/lstm_step.py --turns 500

The rows with `GradientNormLogger` are what `recipes/clipped_rnn.py` adds to that, with
one reading an epoch as for a long training, and with one each step as for a short one.
"""

import argparse
import gc
import json
import os
import random
import statistics
import sys
import time

import keras
import numpy as np

from kcomponents.callbacks import GradientNormLogger
from kcomponents.optimizers import clipped

THEIRS, AGAIN = "Keras", "Keras again"


def keras_clips():
    """Return the optimizer of Keras that clips."""
    return keras.optimizers.Adam(global_clipnorm=1.0)


def we_clip():
    """Return the same with our clipping."""
    return clipped(keras.optimizers.Adam(), global_clipnorm=1.0)


# Row → maker of the optimizer, of callbacks, and how much slower it may be.
SIDES = {
    THEIRS: (keras_clips, list, None),
    AGAIN: (keras_clips, list, None),
    "clipped(Adam(), global_clipnorm=1.0)": (we_clip, list, 1.02),
    "... and GradientNormLogger()": (we_clip, lambda: [GradientNormLogger()], None),
    "... and GradientNormLogger(every=1)": (
        we_clip,
        lambda: [GradientNormLogger(every=1)],
        None,
    ),
}


class Side:
    """A model that trains a step at a time, with callbacks as in an endless epoch."""

    def __init__(self, name, args):
        """Build the model and compile its step."""
        optimizer, callbacks, _ = SIDES[name]
        keras.utils.set_random_seed(0)
        shape = (args.length, args.inputs)
        recurrent, head = keras.layers.LSTM(args.units), keras.layers.Dense(1)
        self.model = keras.Sequential([keras.Input(shape), recurrent, head])
        self.model.compile(optimizer(), "mse")
        generator = np.random.default_rng(0)
        self.x = generator.normal(size=(args.batch, *shape)).astype("float32")
        self.y = self.x.sum((1, 2))[:, None]
        options = {"epochs": 1, "steps": sys.maxsize, "verbose": 0}
        hooks = keras.callbacks.CallbackList(callbacks(), model=self.model, **options)
        hooks.on_train_begin()
        hooks.on_epoch_begin(0)
        self.hooks, self.steps = hooks, 0

    def step(self):
        """Train on the batch once and return the seconds."""
        begin = time.perf_counter()
        self.hooks.on_train_batch_begin(self.steps)
        # It returns a number, so that the device is done.
        loss = self.model.train_on_batch(self.x, self.y)
        self.hooks.on_train_batch_end(self.steps, {"loss": loss})
        self.steps += 1
        return time.perf_counter() - begin

    def close(self):
        """End the training, so that nothing stays on the model."""
        self.hooks.on_epoch_end(0, {})
        self.hooks.on_train_end()


def seconds(args, chance):
    """Return the seconds of each turn of each side, all of new models."""
    sides = {name: Side(name, args) for name in SIDES}
    try:
        for _ in range(5):
            for side in sides.values():
                side.step()
        took = {name: [] for name in sides}
        gc.collect()
        gc.freeze()
        for _ in range(args.turns):
            for name in chance.sample(list(sides), len(sides)):
                took[name].append(sides[name].step())
    finally:
        gc.unfreeze()
        for side in sides.values():
            side.close()
    return took


def rows(args):
    """Yield a row for each side: quartiles of the ratios of turns."""
    chance = random.Random(0)
    runs = [seconds(args, chance) for _ in range(args.repeats)]
    whole = {name: [s for run in runs for s in run[name]] for name in SIDES}
    for name, (_, _, bound) in SIDES.items():
        pairs = zip(whole[name], whole[THEIRS], strict=True)
        quartiles = statistics.quantiles([ours / theirs for ours, theirs in pairs], n=4)
        yield {"side": name, "quartiles": quartiles, "bound": bound}


def main(argv=None):
    """Print the table of ratios; return 1 if one is beyond its bound."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--turns", type=int, default=300, help="steps of each side (%(default)s)")
    add("--repeats", type=int, default=4, help="with new models (%(default)s)")
    add("--units", type=int, default=128)
    add("--length", type=int, default=50)
    add("--inputs", type=int, default=32)
    add("--batch", type=int, default=32)
    add("--quick", action="store_true", help="tiny, to see that it runs: no bound")
    add("--json", action="store_true", help="print one line per row")
    args = parser.parse_args(argv)
    if args.quick:
        args.turns, args.repeats, args.units, args.length = 5, 1, 8, 10
    backend = keras.backend.backend()
    if not args.json:
        print(f"Keras {keras.version()} on {backend}, {os.cpu_count()} cores")
        print(
            f"{'over Adam(global_clipnorm=1.0)':<38}{'ratio':>6}{'quartiles':>14} bound"
        )
    missed = False
    for row in rows(args):
        low, ratio, high = row["quartiles"]
        beyond = not args.quick and row["bound"] is not None and ratio > row["bound"]
        missed |= beyond
        if args.json:
            print(json.dumps({"backend": backend, **row}))
            continue
        told = f"{row['side']:<38}{ratio:>6.3f}{low:>8.3f}-{high:.3f}"
        told += f"{row['bound'] or '-':>6}"
        print(told + ("  MISSED" if beyond else ""))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
