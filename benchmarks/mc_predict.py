"""Measure what 50 samples of `mc_predict` cost beside 50 predictions.

The net is 784-256-256-10 with dropout of its hidden units, on real digits that were
held back. `mc_predict` is compared with three loops of 50: `model.predict` of the net
with `MCDropout`, as one would write it; `model(x, training=True)`, called eagerly; and
the same call compiled, all inputs in one batch, which is the hardest to beat. All take
turns, the first rounds are left out, and medians of ratios count. Exits with 1 if with
100 inputs `mc_predict` takes more than a quarter of the time of the `predict` loop. The
more inputs, the more of the time all of them draw random numbers, which nothing saves.

    KERAS_BACKEND=jax python benchmarks/mc_predict.py --pairs 11
"""

import argparse
import pathlib
import statistics
import sys
import time

import keras
import numpy as np

from kcomponents.inference import mc_predict
from kcomponents.layers import MCDropout

DIGITS = pathlib.Path(__file__).parents[1] / "recipes" / "data" / "mnist10k.npz"
BOUND, JUDGED = 0.25, 100
WARM = 2


def digits(count):
    """Return digits that recipes hold back, as many as asked."""
    with np.load(DIGITS) as data:
        x = data["x"].reshape(-1, 784) / np.float32(255)
    return x[8000 : 8000 + count].astype("float32")


def net(seed):
    """Return a net; what it costs does not depend on its training."""
    keras.utils.set_random_seed(seed)
    hidden = []
    for _ in range(2):
        hidden += [keras.layers.Dense(256, "relu"), MCDropout(0.5)]
    last = keras.layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((784,)), *hidden, last])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def moments(samples):
    """Return mean and standard deviation, as all must."""
    return np.mean(samples, 0), np.std(samples, 0)


def ways(model, x, samples):
    """Return name → function that predicts so many times."""
    tensor, one = keras.ops.convert_to_tensor(x), range(samples)
    array = keras.ops.convert_to_numpy
    return {
        "mc_predict": lambda: mc_predict(model, x, samples)[:2],
        "predict": lambda: moments([model.predict(x, verbose=0) for _ in one]),
        "eager": lambda: moments([array(model(tensor, training=True)) for _ in one]),
        "compiled": lambda: moments([model.predict_on_batch(x) for _ in one]),
    }


def seconds(function):
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measured(count, args):
    """Print a row for some number of inputs; return the ratio that is judged."""
    found = ways(net(args.seed), digits(count), args.samples)
    times = {name: [] for name in found}
    for pair in range(args.pairs + WARM):
        for name in sorted(found, reverse=bool(pair % 2)):
            times[name].append(seconds(found[name]))
    own = times.pop("mc_predict")[WARM:]
    row, ratios = f"{count:>7}", {}
    for name, taken in times.items():
        pairs = zip(own, taken[WARM:], strict=True)
        ratios[name] = statistics.median(mine / its for mine, its in pairs)
        row += f"{ratios[name]:>12.3f}"
    print(row)
    return ratios["predict"]


def main(argv=None):
    """Print the table; return 1 if sampling costs more than it may."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=4, help="of each way (4)")
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="3 pairs, no 2000 inputs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    args.inputs = [1, JUDGED, 2000]
    if args.quick:
        args.pairs, args.inputs = 3, [1, JUDGED]
    print(f"Keras {keras.version()} on {keras.backend.backend()}")
    print(f"time of mc_predict over that of {args.samples} calls, one after the other")
    print(f"{'inputs':>7}{'predict':>12}{'eager':>12}{'compiled':>12}")
    ratios = {count: measured(count, args) for count in args.inputs}
    found = ratios[JUDGED]
    print(f"{JUDGED} inputs: {found:.3f} of the predict loop (at most {BOUND})")
    return int(found > BOUND)


if __name__ == "__main__":
    sys.exit(main())
