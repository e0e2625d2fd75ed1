"""Time what `EarlyStopping` does at the end of an epoch against that of Keras.

Each row is a ratio, ours over theirs, of the time that the end of an epoch takes: with
a better score, so that the state of the model is kept, and without. Both take turns in
random order; medians count, and the quartiles are those of drawing the pairs anew.

A backend may put a copy off until the weights change. So with a better score a training
step follows, and what it takes longer than a step by itself is added. The last column
is the ratio of the memory that keeping a state, and such a step, add to the peak of a
fresh process; of a small model that is mostly pages. Exits with 1 if a ratio is beyond
its bound.

The rows of one copy are the limit where a backend copies at once, as JAX does on a CPU:
all weights are copied from memory to memory, and nothing else. That of Keras does no
more than that and takes new memory each time, so there is no more than that to save.

    KERAS_BACKEND=jax python benchmarks/early_stopping_cost.py --pairs 31
"""

import argparse
import functools
import os
import random
import statistics
import subprocess
import sys
import time

import keras
import numpy as np

from kcomponents.callbacks import EarlyStopping

# Parameters → widths of the layers that make about as many, and more pairs of the fast.
SIZES = {"1 M": [512, 1024, 512], "50 M": [4096, 4096, 4096, 4096]}
MORE = {"1 M": 10, "50 M": 1}
BOUNDS = {"better score": 0.5, "no better score": 1.0}
OURS, THEIRS, COPY, STEP = "ours", "theirs", "one copy", "step"
MAKERS = {OURS: EarlyStopping, THEIRS: keras.callbacks.EarlyStopping}


def make_model(size):
    """Return a model with so many parameters."""
    first, *others = SIZES[size]
    dense = [keras.layers.Dense(width) for width in others]
    model = keras.Sequential([keras.Input((first,)), *dense])
    model.compile("sgd", "mse")
    return model


def wait_for(values):
    """Let a device finish with tensors, which may still be under way."""
    for value in values:
        keras.ops.convert_to_numpy(value[:1])


def step(model, batch):
    """Do one training step."""
    model.train_on_batch(*batch)
    wait_for(model.trainable_variables)


def begin(side, model):
    """Return a callback as in `fit`, which has seen one epoch."""
    options = {"patience": 10**9, "restore_best_weights": True}
    callback = MAKERS[side]("val_loss", **options)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_end(0, {"val_loss": 0.0})
    return callback


class OneCopy:
    """Copies as many bytes as a model has, from memory to memory."""

    def __init__(self, model):
        self.values = [np.array(value) for value in model.get_weights()]
        self.copies = [np.zeros_like(value) for value in self.values]

    def on_epoch_end(self, epoch, logs=None):
        """Copy all values."""
        for copy, value in zip(self.copies, self.values, strict=True):
            np.copyto(copy, value)


def batch_of(model):
    """Return one sample and its target."""
    shapes = (1, model.input_shape[1]), (1, model.output_shape[1])
    return [np.ones(shape, "float32") for shape in shapes]


def timed(*calls):
    """Return how long calls take, one after the other."""
    start = time.perf_counter()
    for call in calls:
        call()
    return time.perf_counter() - start


def times(size, better, pairs):
    """Return the seconds of each pair: our end of an epoch, theirs, and steps."""
    model = make_model(size)
    batch, took = batch_of(model), []
    sides = {side: begin(side, model) for side in (OURS, THEIRS)}
    if better:
        sides[COPY] = OneCopy(model)
    for epoch in range(1, pairs + 4):
        order, row = [*sides, STEP], {}
        random.shuffle(order)
        logs = {"val_loss": float(-epoch) if better else 1.0}
        for side in order:
            if side != STEP:
                end = functools.partial(sides[side].on_epoch_end, epoch, logs)
                row[side] = timed(end)
            if better:
                row[f"{side}, {STEP}"] = timed(functools.partial(step, model, batch))
        took.append(row)
    # The first three warm up.
    return took[3:]


def cost(side, rows):
    """Return the median of an epoch's end, with what it puts off to the next step."""
    median = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    after, alone = median.get(f"{side}, {STEP}", 0), median.get(f"{STEP}, {STEP}", 0)
    return median[side] + max(0, after - alone)


def ratio_of(rows, side=OURS):
    """Return the ratio, and its quartiles by drawing the pairs again and again."""

    def once(sample):
        return cost(side, sample) / cost(THEIRS, sample)

    drawn = [once(random.choices(rows, k=len(rows))) for _ in range(200)]
    low, _, high = statistics.quantiles(drawn, n=4)
    return low, once(rows), high


def resident(name):
    """Return the memory of this process, in MiB: at the moment, or the most so far."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) / 1024


def forget_peak():
    """Let the most memory so far be that of the moment."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def memory_of(side, size):
    """Return what better scores add to the memory of this process, in MiB."""
    model = make_model(size)
    batch = batch_of(model)
    step(model, batch)
    forget_peak()
    before = resident("VmRSS")
    callback = begin(side, model)
    for epoch in range(1, 4):
        callback.on_epoch_end(epoch, {"val_loss": float(-epoch)})
        step(model, batch)
    return resident("VmHWM") - before


def added(size):
    """Return what keeping a state adds to fresh processes: ours, theirs."""
    command = [sys.executable, __file__, "--memory-of"]
    for side in (OURS, THEIRS):
        done = subprocess.run(
            [*command, side, size], stdout=subprocess.PIPE, check=True, text=True
        )
        yield float(done.stdout.split()[-1])


def main(argv=None):
    """Print the table of ratios; return 1 if one is beyond its bound."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=31, help="how many (31)")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.memory_of:
        print(memory_of(*args.memory_of))
        return 0
    backend = keras.backend.backend()
    print(f"Keras {keras.version()} on {backend}, {os.cpu_count()} cores")
    print(f"{'parameters, epoch':<26}{'ratio':>6}{'quartiles':>14}{'bound':>7}  memory")
    beyond = False
    for size in SIZES:
        for what, bound in BOUNDS.items():
            better = what == "better score"
            rows = times(size, better, args.pairs * MORE[size])
            low, ratio, high = ratio_of(rows)
            beyond |= ratio > bound
            row = (
                f"{size + ', ' + what:<26}{ratio:>6.3f}{low:>8.3f}-{high:.3f}{bound:>6}"
            )
            if better:
                ours, theirs = added(size)
                row += f"{ours / theirs:>8.2f}"
            print(row + ("  MISSED" if ratio > bound else ""), flush=True)
            if better:
                low, ratio, high = ratio_of(rows, COPY)
                what = f"{size}, {COPY}"
                print(f"{what:<26}{ratio:>6.3f}{low:>8.3f}-{high:.3f}{'-':>6}")
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
