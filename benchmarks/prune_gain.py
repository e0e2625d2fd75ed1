"""Train a net on real digits whose units die, prune it, and measure what is gained.

A learning rate that is too high kills rectifiers. The table has parameters, units, the
accuracy on digits that were held back, and the time to predict these, before and after;
both take turns, and medians count. Exits with 1 if an output on the training digits
changes by more than 1e-5 of the largest, or prediction becomes slower.

    KERAS_BACKEND=jax python benchmarks/prune_gain.py --pairs 21
"""

import argparse
import pathlib
import statistics
import sys
import time

import keras
import numpy as np

from kcomponents.surgery import prune

DIGITS = pathlib.Path(__file__).parents[1] / "recipes" / "data" / "mnist10k.npz"


def digits():
    """Return 8000 digits to train on and 2000 held back, as pairs."""
    with np.load(DIGITS) as data:
        x, y = data["x"].reshape(-1, 784) / np.float32(255), data["y"]
    x = x.astype("float32")
    return (x[:8000], y[:8000]), (x[8000:], y[8000:])


def trained(x, y, args):
    """Return a net that was trained at a rate that kills units."""
    keras.utils.set_random_seed(args.seed)
    hidden = [keras.layers.Dense(args.width, "relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((784,)), *hidden, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(args.rate), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=100, epochs=args.epochs, verbose=0)
    return model


def seconds(model, x):
    """Return how long a prediction takes."""
    start = time.perf_counter()
    keras.ops.convert_to_numpy(model.predict_on_batch(x))
    return time.perf_counter() - start


def units(model):
    """Return the numbers of hidden units."""
    return "+".join(str(layer.units) for layer in model.layers[:-1])


def main(argv=None):
    """Print the table; return 1 if outputs change or prediction becomes slower."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=21, help="of predictions (21)")
    parser.add_argument("--epochs", type=int, default=5, help="of training (5)")
    parser.add_argument("--rate", type=float, default=0.02, help="of learning (0.02)")
    parser.add_argument("--width", type=int, default=1024, help="of hidden layers")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    (x, y), (x_held, y_held) = digits()
    model = trained(x, y, args)
    small = prune(model, x, batch_size=1000)
    models = {"before": model, "after": small}
    outputs = [m.predict(x, batch_size=1000, verbose=0) for m in models.values()]
    change = np.max(np.abs(outputs[1] - outputs[0])) / np.max(np.abs(outputs[0]))
    times = {name: [] for name in models}
    for pair in range(args.pairs + 3):
        for name in sorted(models, reverse=bool(pair % 2)):
            times[name].append(seconds(models[name], x_held))
    print(f"Keras {keras.version()} on {keras.backend.backend()}")
    print(f"{'':<8}{'parameters':>12}{'units':>12}{'held back':>12}")
    for name, m in models.items():
        accuracy = m.evaluate(x_held, y_held, batch_size=1000, verbose=0)[1]
        print(f"{name:<8}{m.count_params():>12}{units(m):>12}{accuracy:>12.2%}")
    pairs = zip(times["after"][3:], times["before"][3:], strict=True)
    ratio = statistics.median(after / before for after, before in pairs)
    print(f"predict, time after / before: {ratio:.3f} (bound 1)")
    print(f"largest change of an output / largest output: {change:.1e} (bound 1e-05)")
    return int(ratio > 1 or change > 1e-5)


if __name__ == "__main__":
    sys.exit(main())
