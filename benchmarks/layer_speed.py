"""Time training steps with our parts against the same steps with plain Keras.

Each row is a ratio, ours over theirs, of the time that one `fit` takes (forward,
backward and update, compiled as `fit` compiles). Both sides run in turn in one process,
so that the machine's drift falls on both; the median of the pairs counts. The last
column of a Maxout row is the ratio of the memory that the steps add to the process.
Exits with 1 if a ratio is beyond its bound.

Maxout has the same kernel as the layer with ReLU beside it, but writes all pieces and
reads them again: the fewer channels come in, the more of the step is that. Our PReLU
keeps a slope of 0 from making NaN of `-inf`, which that of Keras does not. RReLU draws
a random number for each slope, as a dropout does for its mask; LeakyReLU draws none.

    KERAS_BACKEND=jax python benchmarks/layer_speed.py --pairs 15
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import keras
import numpy as np

from kcomponents.layers import MaxoutConv2D, MaxoutDense, PReLU, RReLU
from kcomponents.optimizers import clipped

layers = keras.layers
VECTOR = (512,)


class PlainMaxout(layers.Layer):
    """What a Keras user writes by hand: reshape, then the largest of each group."""

    def __init__(self, num_pieces):
        """Group as many neighboring channels."""
        super().__init__()
        self.num_pieces = num_pieces

    def call(self, inputs):
        shape = (-1, *inputs.shape[1:-1], inputs.shape[-1] // self.num_pieces)
        return keras.ops.max(keras.ops.reshape(inputs, (*shape, self.num_pieces)), -1)


@dataclasses.dataclass
class Case:
    """Two stacks of layers, or two optimizers, and how much slower ours may be."""

    ours: Callable
    theirs: Callable
    bound: float | None
    shape: tuple = VECTOR
    batch: int = 256
    memory: bool = False


def repeated(*makers):
    """Return a maker of four rounds of the layers, so that they outweigh the head."""
    return lambda: [make() for _ in range(4) for make in makers]


def maxout_cases(kind, ours, plain, size, note="", **options):
    """Return the rows of one maxout layer, for two and for four pieces."""
    rows = {}
    for pieces in (2, 4):

        def mine(pieces=pieces):
            return ours(size // pieces, pieces)

        def wide():
            return plain(size)

        def relu():
            return plain(size, "relu")

        def by_hand(pieces=pieces):
            return PlainMaxout(pieces)

        name = f"Maxout{kind}, {pieces} pieces{note} / "
        rows[f"{name}{kind} + reshape + max"] = Case(
            repeated(mine), repeated(wide, by_hand), 1.02, memory=True, **options
        )
        # The same kernel in both: one layer each, since ours hands on fewer channels.
        rows[f"{name}{kind} with ReLU"] = Case(
            lambda mine=mine: [mine()],
            lambda: [relu()],
            1.10,
            memory=True,
            **options,
        )
    return rows


def wide_stack():
    """Return layers whose weights outweigh the batch, so that the update counts."""
    return [layers.Dense(1024, "relu") for _ in range(4)]


def sgd(**options):
    """Return a plain optimizer."""
    return keras.optimizers.SGD(0.01, **options)


def convolution(filters, activation=None):
    """Return a convolution of usual size."""
    return layers.Conv2D(filters, 3, padding="same", activation=activation)


def maxout_convolution(filters, pieces):
    """Return the Maxout form of the same convolution."""
    return MaxoutConv2D(filters, 3, pieces, padding="same")


def keras_prelu():
    """Return Keras's layer with our defaults: one slope per channel, from 0.25."""
    return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2])


def dropout():
    """Return the layer of Keras that draws one number per element too."""
    return layers.Dropout(0.2)


def channel_rrelu():
    """Return the random rectifier that draws one slope per sample and channel."""
    return RReLU(shared_axes="auto")


LAYERS = {
    **maxout_cases("Dense", MaxoutDense, layers.Dense, 1024, batch=512),
    **maxout_cases(
        "Conv2D",
        maxout_convolution,
        convolution,
        128,
        note=", 64 channels in",
        shape=(16, 16, 64),
        batch=32,
    ),
    # The fewer channels come in, the more of the step is memory traffic.
    **maxout_cases(
        "Conv2D",
        maxout_convolution,
        convolution,
        64,
        note=", 16 channels in",
        shape=(32, 32, 16),
        batch=16,
    ),
    "PReLU / keras PReLU, per channel": Case(
        repeated(PReLU),
        repeated(keras_prelu),
        1.02,
        (32, 32, 32),
        batch=32,
    ),
    # Most of the time goes into drawing slopes, as into the mask of a dropout.
    "RReLU / keras LeakyReLU": Case(
        repeated(RReLU), repeated(layers.LeakyReLU), None, (32, 32, 32), batch=32
    ),
    "RReLU / keras Dropout": Case(
        repeated(RReLU), repeated(dropout), 1.25, (32, 32, 32), batch=32
    ),
    "RReLU per channel / keras LeakyReLU": Case(
        repeated(channel_rrelu),
        repeated(layers.LeakyReLU),
        None,
        (32, 32, 32),
        batch=32,
    ),
}
OPTIMIZERS = {
    "clipped(global_clipnorm=1) / global_clipnorm=1": Case(
        lambda: clipped(sgd(), global_clipnorm=1.0),
        lambda: sgd(global_clipnorm=1.0),
        1.02,
    ),
    **{
        f"clipped(adaptive={name}) / clipped(global_clipnorm=1)": Case(
            lambda name=name: clipped(sgd(), adaptive=name),
            lambda: clipped(sgd(), global_clipnorm=1.0),
            1.02,
        )
        for name in ("percentile", "zscore")
    },
}
CASES = LAYERS | OPTIMIZERS


def trainer(name, ours, batches):
    """Return a function without arguments that trains one side of a case once."""
    case = CASES[name]
    chosen = (case.ours if ours else case.theirs)()
    stack, optimizer = (wide_stack(), chosen) if name in OPTIMIZERS else (chosen, sgd())
    keras.utils.set_random_seed(0)
    pool = [layers.GlobalAveragePooling2D()] if len(case.shape) == 3 else []
    model = keras.Sequential([keras.Input(case.shape), *stack, *pool, layers.Dense(1)])
    model.compile(optimizer, "mse")
    count = case.batch * batches
    x = np.random.default_rng(0).normal(size=(count, *case.shape)).astype("float32")
    y = np.ones((count, 1), "float32")
    return lambda: model.fit(x, y, batch_size=case.batch, shuffle=False, verbose=0)


def seconds(run):
    """Time one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def time_ratio(name, pairs, batches):
    """Return the lower quartile, median and upper quartile of ours over theirs."""
    ours, theirs = (trainer(name, side, batches) for side in (True, False))
    for run in (ours, theirs, ours, theirs):
        run()
    ratios = []
    for pair in range(pairs):
        # Who goes first takes turns too.
        order = (ours, theirs) if pair % 2 else (theirs, ours)
        took = {run: seconds(run) for run in order}
        ratios.append(took[ours] / took[theirs])
    return statistics.quantiles(ratios, n=4)


def resident(field):
    """Read a memory figure of this process from Linux, in MiB."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) / 1024


def memory_of_steps(name, ours):
    """Return the MiB that the steps add to the peak of this process."""
    run = trainer(name, ours, batches=2)
    before = resident("VmRSS")
    run()
    return resident("VmHWM") - before


def memory_ratio(name):
    """Compare the two sides, each in a process of its own."""
    added = []
    for side in ("ours", "theirs"):
        command = [sys.executable, __file__, "--memory", name, "--side", side]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        added.append(float(answer.stdout.split()[-1]))
    return added[0] / added[1]


def main(argv=None):
    """Print the table of ratios; return 1 if one is beyond its bound."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--batches", type=int, default=8, help="steps of each fit")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--json", action="store_true", help="print one line per row")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.memory:
        print(memory_of_steps(args.memory, args.side == "ours"))
        return 0
    backend = keras.backend.backend()
    print(f"Keras {keras.version()} on {backend}, {os.cpu_count()} cores")
    head = f"{'ratio':>6}{'quartiles':>15}{'bound':>6}{'memory':>7}"
    print(f"{head:<44}ours / theirs")
    missed = False
    for name in (name for name in CASES if args.only.lower() in name.lower()):
        case = CASES[name]
        low, ratio, high = time_ratio(name, args.pairs, args.batches)
        memory = f"{memory_ratio(name):.2f}" if case.memory else ""
        mark = "MISSED" if ratio > (case.bound or ratio) else ""
        missed |= bool(mark)
        span = f"{low:.3f}-{high:.3f}"
        if args.json:
            row = {"case": name, "backend": backend, "ratio": ratio, "memory": memory}
            print(json.dumps(row))
        else:
            bound = case.bound or "-"
            row = f"{ratio:>6.3f}{span:>15}{bound:>6}{memory:>7}  {mark:<6}"
            print(f"{row:<44}{name}", flush=True)
        keras.utils.clear_session()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
