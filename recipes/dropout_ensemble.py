"""Dropout's scaled net is its ensemble exactly if linear, nearly if not.

Claim: a net with dropout is an ensemble of thinned nets that share weights, and one
prediction with all units, scaled, stands for all. Without hidden nonlinearities it is
exactly the mean of their logits, and the normalised geometric mean of their
probabilities. For sigmoid, ReLU and Maxout units it is only near.

What to expect: of two hidden layers of 8 units all 65,536 thinned nets are run. For
linear units the gap is that of rounding, for the others the mean logit is off by 5 to
15 % (root mean square). The usual mean of probabilities is off by .35 and more even for
linear units. In a wide net one sample gets 91 to 92 % of the test digits right, the
mean of 50 94 to 95 %, as the scaled net does: sampling does not beat it.

Source: Srivastava et al., "Dropout", 2014, section 7.5 and figure 11 (about 50
samples), https://jmlr.org/papers/v15/srivastava14a.html; Gal and Ghahramani, "Dropout
as a Bayesian approximation", 2016, https://arxiv.org/abs/1506.02142.

    python recipes/dropout_ensemble.py
"""

import itertools

import keras
import numpy as np
from recipe_data import images
from recipe_run import COLORS, STEPS, Recipe, run
from recipe_table import by, chosen, one, spread

from kcomponents.inference import compare_dropout_inference
from kcomponents.layers import MaxoutDense

UNITS, COUNTS = 8, [1, 2, 5, 10, 20, 50]
HIDDEN = {
    "linear": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "maxout": lambda z: z.reshape(*z.shape[:-1], -1, 2).max(-1),
}
CLAIM = (
    "Linear net equal to the mean of all to 1e-12, others not to 1e-3, and 50 samples "
    "within a point of the scaled net"
)


def net(kind, width, dropped, data, epochs):
    """Return a trained net with dropout of its inputs, if any, and hidden units."""
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dropout(dropped)])
    for _ in range(2):
        maxout = kind == "maxout"
        model.add(MaxoutDense(width) if maxout else keras.layers.Dense(width, kind))
        model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, steps_per_execution=STEPS)
    model.fit(*data, batch_size=100, epochs=epochs, verbose=0)
    return model


def everyone(kind, model, x):
    """Run all thinned nets; return how far their means are from the scaled net."""
    pairs = [layer.get_weights() for layer in model.layers if layer.weights]
    (w1, b1), (w2, b2), (w3, b3) = [[a.astype("f8") for a in pair] for pair in pairs]
    active, total = HIDDEN[kind], lambda z: z.sum(-1, keepdims=True)
    first = active(x.astype("f8") @ w1 + b1)
    scaled = active(first @ w2 + b2) @ w3 + b3
    # Training scales what stays by 1 / (1 - rate), which is 2.
    masks = 2 * np.array(list(itertools.product([0.0, 1.0], repeat=UNITS)))
    logits, logs, shares = np.zeros((3, *scaled.shape))
    for mask in masks:
        z = (active(first * mask @ w2 + b2)[:, None] * masks) @ w3 + b3
        p = np.exp(z) / total(np.exp(z))
        for sums, values in (logits, z), (logs, np.log(p)), (shares, p):
            sums += values.mean(1) / len(masks)
    told = np.exp(scaled) / total(np.exp(scaled))
    geometric = np.exp(logs) / total(np.exp(logs))
    return {
        "logit": float(np.sqrt(np.mean((logits - scaled) ** 2) / np.mean(scaled**2))),
        "geometric": float(np.abs(geometric - told).max()),
        "arithmetic": float(np.abs(shares - told).max()),
    }


def measure(args, seed):
    """Run all thinned nets of small nets, and samples of those of a wide one."""
    train, (x, y) = images(args.data)
    epochs, width, digits = (1, 32, 10) if args.quick else (args.epochs, 256, 50)
    for kind in ["linear", "relu"] if args.quick else HIDDEN:
        model = net(kind, UNITS, 0.0, train, epochs)
        yield {"net": kind, **everyone(kind, model, x[:digits])}
    wide = net("relu", width, 0.2, train, epochs)
    found = compare_dropout_inference(wide, x, y, COUNTS, from_logits=True)
    yield {"net": "scaled", "right": found.weight_scaling.accuracy}
    for k, score in found.monte_carlo.items():
        yield {"net": "wide", "samples": k, "right": score.accuracy, "logit": score.gap}


def rows(results):
    """Return a row for each small net, and for some numbers of samples."""
    places = {f"{kind}, all nets": {"net": kind} for kind in HIDDEN}
    places["wide relu, scaled"] = {"net": "scaled"}
    for k in (1, 10, 50):
        places[f"wide relu, {k} samples"] = {"net": "wide", "samples": k}
    columns = {
        "gap of mean logit": ("logit", "{:.2g}"),
        "of geometric mean": ("geometric", "{:.2g}"),
        "of mean probability": ("arithmetic", "{:.2g}"),
        "accuracy": ("right", "{:.1%}"),
    }

    def cell(found, name, form):
        return spread([r[name] for r in found], form) if name in found[0] else ""

    return [
        {"net": net} | {title: cell(found, *what) for title, what in columns.items()}
        for net, place in places.items()
        if (found := chosen(results, **place))
    ]


def effect(results):
    """Return whether linear units are exact, others not, and samples catch up."""
    small = {r["net"]: r for r in results if r["net"] in HIDDEN}
    linear = small.pop("linear")
    exact = max(linear["logit"], linear["geometric"]) < 1e-12
    bent = min(r["logit"] for r in small.values()) > 1e-3
    right = [one(results, net="scaled"), one(results, net="wide", samples=50)]
    return exact and bent and abs(right[0]["right"] - right[1]["right"]) <= 0.01


def picture(results, figure):
    """Draw the gaps of the small nets, and accuracy over the number of samples."""
    left, right = figure.subplots(1, 2)
    names = {"logit": "mean logit", "arithmetic": "mean of probabilities"}
    for (gap, label), color, mark in zip(names.items(), COLORS, "os", strict=False):
        found = [(r["net"], r[gap]) for r in results if r["net"] in HIDDEN]
        left.plot(*zip(*found, strict=True), mark, color=color, label=label)
    left.set(yscale="log", xlabel="hidden units", ylabel="gap to the scaled net")
    left.set_title(f"All {4**UNITS:,} thinned nets of small nets")
    wide = by(chosen(results, net="wide"), "samples", "right")
    scaled = np.median([r["right"] for r in chosen(results, net="scaled")])
    right.axhline(scaled, color=COLORS[1], ls="--", label="scaled net")
    medians = [np.median(values) for values in wide.values()]
    right.plot(list(wide), medians, "o-", color=COLORS[0], label="mean of samples")
    right.set(xlabel="samples", ylabel="test accuracy", xscale="log")
    right.set_xticks(list(wide), list(wide))
    right.set_title("A wide ReLU net, medians over seeds")
    for axes in (left, right):
        axes.legend(loc="lower right")
        axes.grid(alpha=0.3)


def options(add):
    """Add what only this recipe knows."""
    add("--epochs", type=int, default=8, help="(default: %(default)s)")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, options)


def main(argv=None):
    """Run the recipe."""
    return run(RECIPE, __file__, argv)


if __name__ == "__main__":
    main()
