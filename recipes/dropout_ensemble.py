"""With dropout, the scaled network is the ensemble's mean: exact if linear, else close.

Claim: a network with dropout is an ensemble of thinned networks that share weights, and
one prediction with all units, scaled, replaces the average over all of them. Without
hidden nonlinearities it is exactly the mean of their logits, and the normalized
geometric mean of their probabilities. For sigmoid, ReLU and Maxout units it is close.

What to expect: with two hidden layers of 8 units, all 65,536 thinned networks are run.
For linear units the gap is rounding error; for the others the mean logit is off by 5 to
15 % (root mean square). The arithmetic mean of the probabilities is off by .35 and more
even for linear units. In a wide network, one sample classifies 91 to 92 % of the test
digits correctly, the mean of 50 samples 94 to 95 %, the same as the scaled network:
sampling does not beat it.

Source: Srivastava et al., "Dropout", 2014, section 7.5 and figure 11 (about 50
samples), https://jmlr.org/papers/v15/srivastava14a.html; Gal and Ghahramani, "Dropout
as a Bayesian approximation", 2016, https://arxiv.org/abs/1506.02142.

    python recipes/dropout_ensemble.py
"""

import itertools

import keras
import numpy as np
from lib.data import Shuffled, images
from lib.nets import compiled
from lib.picture import COLORS, medians
from lib.run import Recipe, by, chosen, one, rows_by

from kcomponents.inference import compare_dropout_inference
from kcomponents.layers import MaxoutDense

UNITS, COUNTS = 8, [1, 2, 5, 10, 20, 50]
KINDS = ["linear", "sigmoid", "relu", "maxout"]
COLUMNS = {
    "gap of mean logit": ("logit", "{:.2g}"),
    "of geometric mean": ("geometric", "{:.2g}"),
    "of mean probability": ("arithmetic", "{:.2g}"),
    "accuracy": ("right", "{:.1%}"),
}
CLAIM = (
    "The linear network equals the ensemble to 1e-12, the others do not to 1e-3, and "
    "50 samples come within a point of the scaled network"
)


# Activations in NumPy, to run all thinned networks in float64.
ACTIVATIONS = {
    "linear": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "maxout": lambda z: z.reshape(*z.shape[:-1], -1, 2).max(-1),
}


def masks(units):
    """Return all dropout masks of a layer, one per row."""
    # Dropout scales the remaining units by 1 / (1 - 0.5).
    return 2 * np.array(list(itertools.product([0.0, 1.0], repeat=units)))


def softmax(z):
    """Return the probabilities of logits."""
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def gaps(kind, model, x):
    """Return how far the means over all thinned networks are from the scaled one."""
    pairs = [layer.get_weights() for layer in model.layers if layer.weights]
    (w1, b1), (w2, b2), (w3, b3) = [[a.astype("f8") for a in pair] for pair in pairs]
    active, firsts, seconds = ACTIVATIONS[kind], masks(len(w2)), masks(len(w3))
    first = active(x.astype("f8") @ w1 + b1)
    scaled = active(first @ w2 + b2) @ w3 + b3
    logits, logs, shares = np.zeros((3, *scaled.shape))
    for mask in firsts:
        z = (active(first * mask @ w2 + b2)[:, None] * seconds) @ w3 + b3
        p = softmax(z)
        for sums, values in (logits, z), (logs, np.log(p)), (shares, p):
            sums += values.mean(1) / len(firsts)
    predicted = softmax(scaled)
    return {
        "logit": float(np.sqrt(np.mean((logits - scaled) ** 2) / np.mean(scaled**2))),
        "geometric": float(np.abs(softmax(logs) - predicted).max()),
        "arithmetic": float(np.abs(shares - predicted).max()),
    }


def net(kind, width, dropped, data, epochs):
    """Return a trained network with dropout of inputs and hidden units."""
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dropout(dropped)])
    for _ in range(2):
        maxout = kind == "maxout"
        model.add(MaxoutDense(width) if maxout else keras.layers.Dense(width, kind))
        model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(10))
    compiled(model, keras.optimizers.Adam(1e-3))
    model.fit(Shuffled(*data, 100), epochs=epochs, verbose=0)
    return model


def measure(args, seed):
    """Run all thinned networks of small networks, and samples of a wide one's."""
    train, (x, y) = images(args.data)
    epochs, width, digits = (1, 32, 10) if args.quick else (args.epochs, 256, 50)
    for kind in ["linear", "relu"] if args.quick else KINDS:
        model = net(kind, UNITS, 0.0, train, epochs)
        yield {"net": kind, **gaps(kind, model, x[:digits])}
    wide = net("relu", width, 0.2, train, epochs)
    found = compare_dropout_inference(wide, x, y, COUNTS, from_logits=True)
    yield {"net": "scaled", "right": found.weight_scaling.accuracy}
    for k, score in found.monte_carlo.items():
        yield {"net": "wide", "samples": k, "right": score.accuracy, "logit": score.gap}


def rows(results):
    """Return a row for each small network, and for some numbers of samples."""
    names = {"scaled": "wide relu, scaled", "wide": "wide relu, {samples} samples"}
    names |= {kind: f"{kind}, all nets" for kind in KINDS}
    shown = [r for r in results if r.get("samples") in (None, 1, 10, 50)]
    named = [r | {"net": names[r["net"]].format(**r)} for r in shown]
    return rows_by(named, "net", COLUMNS)


def effect(results):
    """Return whether linear units are exact, the others not, and samples catch up."""
    small = {r["net"]: r for r in results if r["net"] in KINDS}
    linear = small.pop("linear")
    exact = max(linear["logit"], linear["geometric"]) < 1e-12
    bent = min(r["logit"] for r in small.values()) > 1e-3
    right = [one(results, net="scaled"), one(results, net="wide", samples=50)]
    return exact and bent and abs(right[0]["right"] - right[1]["right"]) <= 0.01


def picture(results, figure):
    """Draw the small networks' gaps, and the accuracy by number of samples."""
    left, right = figure.subplots(1, 2)
    small = [r for r in results if r["net"] in KINDS]
    names = {"logit": "mean logit", "arithmetic": "mean of probabilities"}
    for gap, color, mark in zip(names, COLORS, "os", strict=False):
        left.plot([r["net"] for r in small], [r[gap] for r in small], mark, color=color)
    left.set(yscale="log", xlabel="hidden units", ylabel="gap to the scaled net")
    left.set_title(f"All {4**UNITS:,} thinned nets of small nets")
    left.grid(alpha=0.3)
    wide = by(chosen(results, net="wide"), "samples", "right")
    scaled = np.median([r["right"] for r in chosen(results, net="scaled")])
    right.axhline(scaled, color=COLORS[1], ls="--", label="scaled net")
    medians(right, wide, "mean of samples", COLORS[0], "o")
    right.set(xlabel="samples", ylabel="test accuracy", xscale="log")
    right.set_xticks(COUNTS, COUNTS)
    right.set_title("A wide ReLU net, medians over seeds")
    left.legend(list(names.values()), loc="lower right")
    right.legend(loc="lower right")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, epochs=8)
main = RECIPE.main


if __name__ == "__main__":
    main()
